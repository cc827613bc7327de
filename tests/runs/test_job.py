"""Training apart from who started it: found again, stopped, resumed, and how it ended in one line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import mvkit
from mvkit.errors import OptionError, RunError
from mvkit.runs import agent, job
from mvkit.runs.folder import RunFolder, find_runs
from mvkit.runs.listing import Row
from mvkit.runs.roster import WIDE
from mvkit.runs.shelf import Book
from mvkit.runs.watching import Watching, drawn
from mvkit.train.interrupt import Requeue
from tests.train.processes import SPEC, losses

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MVKIT_RUN_FOLDER", raising=False)


@pytest.fixture
def started(monkeypatch) -> list[job.Order]:
    """Orders that would have been started."""
    orders: list[job.Order] = []
    monkeypatch.setattr(job, "_start", lambda order: orders.append(order) or job.attach(order.folder))
    return orders


def spec(**said) -> mvkit.RunSpec:
    return mvkit.RunSpec(**SPEC | said)


def stood(out: Path, **status) -> None:
    """A job that left these words behind."""
    own = agent.of(out).path
    own.mkdir(parents=True, exist_ok=True)
    spec().write(own / "spec.json")
    (own / "job.json").write_text(json.dumps({"pid": 77, "processes": 2, **status}))


def until(true, seconds=200):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.1)


def logged(out: Path) -> int:
    return len((out / "metrics.jsonl").read_text().splitlines()) if (out / "metrics.jsonl").exists() else 0


def test_a_folder_without_a_job_says_what_starts_one(tmp_path):
    with pytest.raises(RunError, match=r"no job in .*: mvkit.launch\(spec, out=...\) starts one"):
        mvkit.attach(tmp_path)


def test_what_makes_no_sense_is_refused(tmp_path):
    for wrong, said in (
        ({"processes": 0}, "processes must be 1 or more"),
        ({"on": "slrum"}, "slurm"),
        ({"options": {"partition": "gpu"}}, "belong to on='slurm'"),
        ({"timeout": 60}, "belong to on='slurm'"),
        ({"on": "slurm"}, "wants --timeout"),
    ):
        with pytest.raises(OptionError, match=said):
            mvkit.launch(spec(), out=tmp_path / "run", **wrong)


def test_the_same_call_starts_resumes_and_then_shows_what_is_done(tmp_path, started):
    out = tmp_path / "run"
    mvkit.launch(spec(monitor_every=2), out=out, processes=2)
    assert started == [job.Order(str(out), 2, job.SCORES, job.PICTURES)]
    stood(out, state="interrupted", cause="stopped, step_000003 is saved")
    assert "step_000003 is saved" in repr(mvkit.launch(spec(), out=out))
    assert len(started) == 2 and (started[1].monitor, started[1].look) == ("", "")
    stood(out, state="done")
    assert mvkit.launch(spec(), out=out).wait().state == "done"
    assert len(started) == 2


def test_a_folder_with_another_job_is_refused(tmp_path, started):
    stood(tmp_path, state="done")
    with pytest.raises(RunError, match=r"other settings \(steps, lr\): choose another folder"):
        mvkit.launch(spec(steps=9, lr=0.1), out=tmp_path)


def test_a_job_that_failed_says_why_and_one_that_was_stopped_is_not_done(tmp_path):
    stood(tmp_path, state="failed", cause="process 1 was killed by SIGKILL (out of memory?)")
    with pytest.raises(RunError, match=r"failed: process 1 was killed by SIGKILL .* goes on from the last checkpoint"):
        mvkit.attach(tmp_path).wait()
    stood(tmp_path, state="interrupted", cause="stopped, step_000003 is saved")
    with pytest.raises(Requeue, match="step_000003 is saved; the same call goes on"):
        mvkit.attach(tmp_path).wait()


def test_a_job_whose_process_is_gone_was_killed(tmp_path):
    stood(tmp_path, state="running", host=os.uname().nodename, boot="another", heartbeat="2026-01-01T00:00:00+00:00")
    assert mvkit.attach(tmp_path).state == "killed"
    assert "the machine was restarted while process 77 ran" in mvkit.attach(tmp_path).status["cause"]


def test_a_job_is_not_one_more_run_of_the_reports(tmp_path):
    stood(tmp_path / "reports" / "first", state="done")
    assert find_runs(tmp_path / "reports") == []


def test_watching_says_losses_rate_speed_memory_neighbours_and_what_is_left(tmp_path, capsys):
    stood(tmp_path, state="done", memory_mb=1234)
    lines = [{"step": 0, "monitor/knn/motion": 0.125}]
    lines += [
        {"step": n, "loss": 1 / n, "part/direct": 0.5 / n, "part/far": 0.25, "lr": 0.0003, "clips_per_s": 2.0}
        for n in (2, 4, 6)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    mvkit.attach(tmp_path).watch()
    assert capsys.readouterr().err.split("  ")[1:-1] == [
        "step 6 of 8, 0:04 left", "loss 0.1667 (direct 0.08333, far 0.25)", "learning rate 0.0003",
        "2 clips/s", "1,234 MB", "kNN motion 0.125", "done",
    ]  # fmt: skip
    book = Book(Row.of(RunFolder(tmp_path)))
    assert drawn(book).shape[1] == WIDE
    facts = Watching(mvkit.attach(tmp_path)).facts(book)
    assert facts["job"] == "done, 2 processes started by process 77" and Path(facts["log"]).name == "log"


@pytest.mark.slow
def test_a_job_is_found_by_another_process_stopped_and_goes_on_to_the_same_losses(tmp_path):
    wanted = spec(steps=200, checkpoint_every=0)
    whole = mvkit.launch(wanted, out=tmp_path / "whole", processes=2)
    code = "import mvkit; job = mvkit.attach('whole'); print(job.status['pid'], job.state)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [str(whole.status["pid"]), "running"]
    whole.wait()

    first = mvkit.launch(wanted, out=tmp_path / "run", processes=2)
    assert mvkit.launch(wanted, out=tmp_path / "run", processes=2).status["pid"] == first.status["pid"]
    until(lambda: logged(first.folder) >= 2)
    first.stop()
    with pytest.raises(Requeue, match="stopped, step_000"):
        first.wait()
    assert 2 <= len(losses(tmp_path)) < 200
    mvkit.launch(wanted, out=tmp_path / "run", processes=2).wait()
    assert losses(tmp_path) == losses(tmp_path, "whole")


@pytest.mark.slow
def test_a_process_that_dies_ends_the_job_with_its_cause_and_a_killed_agent_leaves_nobody_behind(tmp_path):
    running = mvkit.launch(spec(steps=4000, checkpoint_every=1), out=tmp_path / "run", processes=2)
    until(lambda: (tmp_path / "run" / "checkpoint").exists() and logged(running.folder) >= 2)
    workers = psutil.Process(running.status["pid"]).children()
    os.kill(next(one.pid for one in workers if one.environ()["RANK"] == "1"), signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(RunError, match=r"failed: process 1 was killed by SIGKILL \(out of memory\?\); the same c"):
        running.wait()
    assert time.monotonic() - began < 60

    running = mvkit.launch(spec(steps=4000, checkpoint_every=1), out=tmp_path / "run", processes=2)
    before = logged(running.folder)
    until(lambda: logged(running.folder) > before + 2)
    workers = psutil.Process(running.status["pid"]).children()
    os.kill(running.status["pid"], signal.SIGKILL)
    with pytest.raises(RunError, match=f"killed: process {running.status['pid']} is gone without a word"):
        running.wait()
    psutil.wait_procs(workers, timeout=60)
    assert not any(one.is_running() for one in workers)
