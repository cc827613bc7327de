"""The run folder: its name, its atomic files, its status as others read it."""

import errno
import fcntl
import json
import os
import threading

import pytest

from mvkit.errors import RunError
from mvkit.runs.files import DiskFull, read_json, write_bytes_atomic, write_json_atomic
from mvkit.runs.folder import AlreadyRunning, RunFolder, RunLock, find_runs
from mvkit.runs.status import EXIT, STATES, Status, read_status


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    folder = RunFolder(tmp_path / "reports" / "small" / "abc123")
    folder.prepare({"steps": 3})
    return folder


def test_a_reader_never_meets_half_a_file(tmp_path):
    path, stop, seen = tmp_path / "a.json", threading.Event(), []
    write_json_atomic(path, {"n": 0, "fill": "x" * 100_000})

    def read() -> None:
        while not stop.is_set():
            seen.append(json.loads(path.read_text())["n"])

    thread = threading.Thread(target=read)
    thread.start()
    for n in range(1, 40):
        write_json_atomic(path, {"n": n, "fill": "x" * 100_000})
    stop.set()
    thread.join()
    assert seen == sorted(seen)
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_bytes_atomic(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="No space left on device; free space"):
        write_bytes_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_file_that_is_not_json_is_named(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(RunError, match=r"a\.json is not JSON"):
        read_json(tmp_path / "a.json")
    assert read_json(tmp_path / "missing.json") == {}


def test_a_second_start_keeps_checkpoint_and_journal_and_drops_outputs(folder):
    (folder.checkpoint / "step.bin").touch()
    folder.metrics.write_text('{"step": 1}\n')
    for path in (folder.results, folder.report, folder.partial, folder.figures / "a.png"):
        path.write_text("{}")
    folder.prepare({"steps": 3})
    assert (folder.checkpoint / "step.bin").exists()
    assert folder.last_metrics() == {"step": 1}
    left = {path.name for path in folder.path.rglob("*")}
    assert left == {"params.json", "figures", "checkpoint", "step.bin", "metrics.jsonl"}


def test_a_journal_without_a_checkpoint_would_be_told_twice_and_goes(folder):
    folder.metrics.write_text('{"step": 1}\n')
    folder.prepare({"steps": 3})
    assert folder.last_metrics() == {}


def test_running_is_believed_only_while_someone_holds_the_run(folder):
    assert read_status(folder)["state"] == "missing"
    with RunLock(folder).take():
        status = Status(folder, notebook="small.ipynb", runner="mvkit run")
        assert read_status(folder)["state"] == "queued"
        status.write(state="running", cell=1, cells=2)
        assert read_status(folder)["state"] == "running"
    gone = read_status(folder)
    assert (gone["state"], gone["kind"]) == ("killed", "runner")
    assert json.loads(folder.status.read_text())["state"] == "running"  # looking writes nothing
    status.end("done")
    assert read_status(folder)["state"] == "done"


def test_exit_codes_of_different_ends_differ():
    kinds = ("done", "exception", "usage", "busy", "kernel", "timeout", "memory", "disk", "interrupted")
    assert len({EXIT[kind] for kind in kinds}) == len(kinds)
    assert (AlreadyRunning.exit_code, DiskFull.exit_code) == (EXIT["busy"], EXIT["disk"])
    assert set(STATES) == {"queued", "running", "done", "failed", "interrupted", "killed"}


@pytest.mark.parametrize(
    ("changed", "state", "said"),
    [
        ({}, "killed", "is gone without a word"),
        ({"boot": "an earlier one"}, "killed", "the machine was restarted"),
        ({"host": "another"}, "running", ""),  # its lock may not be seen here; its heartbeat is fresh
        ({"host": "another", "heartbeat": "2020-01-01T00:00:00+00:00"}, "killed", "on another is gone"),
    ],
)
def test_a_run_that_nobody_holds_is_believed_only_from_another_machine_that_was_heard_of(folder, changed, state, said):
    status = Status(folder, notebook="small.ipynb", runner="mvkit run")
    status.write(state="running")
    # This very process lives, and has the number that the file names: numbers are not asked.
    write_json_atomic(folder.status, {**status.data, **changed})
    found = read_status(folder)
    assert found["state"] == state
    assert said in found.get("cause", "")


def test_a_file_system_without_locks_is_named_rather_than_taken_for_a_runner(folder, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(RunError, match=r"cannot be locked: No locks available; choose --out"):
        RunLock(folder).take()


def test_runs_are_found_by_folder_notebook_and_start_of_their_id(folder, tmp_path):
    Status(folder, notebook="small.ipynb", runner="mvkit run")
    reports = tmp_path / "reports"
    for which in (None, "small", "small/abc", str(folder.path)):
        assert [run.path for run in find_runs(reports, which)] == [folder.path]
    with pytest.raises(RunError, match="no run 'small/xyz'"):
        find_runs(reports, "small/xyz")
    assert find_runs(tmp_path / "nothing") == []


def test_last_metrics_passes_over_a_line_that_is_still_being_written(folder):
    folder.metrics.write_bytes(b'{"step": 1}\n{"step": 2}\n{"st')
    assert folder.last_metrics() == {"step": 2}
