"""Runs of tiny notebooks in real kernels: what status.json, the folder and the exit code say afterwards."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest

from mvkit.errors import OptionError, RunError
from mvkit.runs import Outcome, Parameters, RunFolder, read_status, run_notebook
from mvkit.runs.folder import AlreadyRunning, RunLock
from mvkit.runs.notebook import code_hash
from mvkit.runs.run import parameterised

BEGIN = "import mvkit\nrun = mvkit.runs.begin(parameters=globals(), notebook='small')\nrun"
BODY = """import os, sys
print(os.getcwd()); print(sys.executable); print(type(flag), type(rate), type(layers))
run.log(step=1, loss=0.5); run.log(loss=float("nan"))
run.save_masks(hidden=[[True, False]])
(run.figures / "a.txt").write_text("figure")"""


def outputs(folder: RunFolder) -> str:
    cells = nbformat.read(folder.notebook, as_version=4).cells
    return "\n".join(o.get("text", "") for c in cells if c.cell_type == "code" for o in c.outputs)


@pytest.fixture(scope="module")
def done(tmp_path_factory, make_notebook) -> Outcome:
    """One run to its end, in a folder with a space and an accent, called from elsewhere."""
    root = tmp_path_factory.mktemp("mes vidéos")
    path = make_notebook(root, BEGIN, BODY, "run.save_results(accuracy=0.5)\nrun.finish(best=steps)")
    return run_notebook(path, {"steps": "7", "flag": "false", "rate": "1e-4", "layers": "3,4"}, progress=False)


def test_a_run_leaves_the_whole_folder_and_says_done(done):
    folder = done.folder
    assert (done.exit_code, done.shown) == (0, False)
    assert folder.path.parent.parent.name == "reports"
    left = {path.name for path in folder.path.iterdir()}
    files = {"params.json", "provenance.json", "status.json", "metrics.jsonl", "results.json", "masks.npz"}
    assert files | {"figures", "checkpoint", "notebook.ipynb", "report.html"} <= left
    assert "notebook.partial.ipynb" not in left
    status = json.loads(folder.status.read_text())
    assert status["state"] == "done"
    assert (status["cell"], status["cells"]) == (5, 5)
    assert status["started"] <= status["heartbeat"] <= status["ended"]
    assert json.loads(folder.results.read_text()) == {"accuracy": 0.5, "best": 7}
    with np.load(folder.masks) as masks:
        assert masks["hidden"].tolist() == [[True, False]]


def test_parameters_arrive_native(done):
    assert json.loads(done.folder.params.read_text())["rate"] == 1e-4
    assert "<class 'bool'> <class 'float'> <class 'list'>" in outputs(done.folder)


def test_metrics_are_strict_json_lines_with_a_step_each(done):
    lines = [json.loads(line) for line in done.folder.metrics.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 1]
    assert lines[1]["loss"] == "NaN"


def test_the_kernel_is_this_python_and_works_in_the_project_root(done):
    root = done.folder.path.parents[2]
    assert f"{root}\n{sys.executable}\n" in outputs(done.folder)


def test_provenance_outside_a_git_checkout_names_code_versions_and_machine(done):
    record = json.loads(done.folder.provenance.read_text())
    assert record["code"]["commit"] is None
    assert len(record["code"]["hash"]) == 64
    assert record["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert record["machine"]["cores"] >= 1
    assert record["device"] is None  # this notebook has not loaded torch


def test_a_done_run_is_shown_and_force_runs_it_again(done):
    path, folder = Path(done.status["notebook"]), done.folder
    same = {"steps": 7, "rate": 1e-4, "layers": [3, 4]}
    before = folder.status.read_text()
    again = run_notebook(path, same, progress=False)
    assert again.shown
    assert (again.exit_code, again.folder) == (0, folder)
    assert folder.status.read_text() == before
    (folder.checkpoint / "old.txt").write_text("from before")
    forced = run_notebook(path, same, progress=False, force=True)
    assert not forced.shown
    assert forced.done
    assert not (folder.checkpoint / "old.txt").exists()


def test_other_parameters_and_another_notebook_have_other_folders(done, tmp_path, make_notebook):
    path = Path(done.status["notebook"])
    values = {"steps": 7}
    folders = {RunFolder.of(path, {**values, "steps": n}).path for n in (7, 8)}
    assert len(folders) == 2
    first = RunFolder.of(make_notebook(tmp_path, "1"), values).path.name
    assert RunFolder.of(make_notebook(tmp_path, "2"), values).path.name != first
    other_default = make_notebook(tmp_path, "1", parameters="steps: int = 9")
    assert RunFolder.of(other_default, values).path.name == first


@pytest.mark.parametrize(
    "given", [{"stpes": "3"}, {"flag": "maybe"}, {"rate": "2"}, {"steps": "1e-4"}, {"masker": "x"}]
)
def test_bad_parameters_are_refused_before_anything_is_made(tmp_path, make_notebook, given):
    path = make_notebook(tmp_path, BEGIN)
    with pytest.raises(OptionError, match=next(iter(given))):
        run_notebook(path, given, progress=False)
    assert not (tmp_path / "reports").exists()


def test_a_failing_cell_is_named_the_partial_notebook_is_kept_and_a_second_call_runs_again(tmp_path, make_notebook):
    marker = tmp_path / "repaired"
    code = f"from pathlib import Path\nprint('before')\nif not Path({str(marker)!r}).exists():\n    1 / 0"
    path = make_notebook(tmp_path, "a = 1", code, "b = 2")
    failed = run_notebook(path, progress=False)
    assert failed.exit_code == 1
    assert failed.status["state"] == "failed"
    assert failed.status["kind"] == "exception"
    assert failed.status["cause"] == "ZeroDivisionError: division by zero"
    assert failed.status["cell"] == 4  # parameters, injected parameters, a = 1, this one
    assert not failed.folder.notebook.exists()
    cells = nbformat.read(failed.folder.partial, as_version=4).cells
    assert [o.output_type for o in cells[-2].outputs] == ["stream", "error"]
    assert "ZeroDivisionError" in failed.folder.report.read_text()
    marker.touch()
    repaired = run_notebook(path, progress=False)
    assert repaired.done
    assert not repaired.shown
    assert not repaired.folder.partial.exists()


def test_a_kernel_that_dies_is_told_from_an_exception(tmp_path, make_notebook):
    path = make_notebook(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    died = run_notebook(path, progress=False)
    assert died.exit_code == 4
    assert (died.status["state"], died.status["kind"]) == ("killed", "kernel")
    assert "SIGKILL" in died.status["cause"]
    assert died.status["cell"] == 3


def test_the_time_limit_ends_a_run_and_lets_the_cell_save_first(tmp_path, make_notebook):
    save = "except KeyboardInterrupt:\n    (run.checkpoint / 'saved').touch()\n    raise"
    code = f"import time\ntry:\n    time.sleep(60)\n{save}"
    path = make_notebook(tmp_path, BEGIN, code)
    began = time.monotonic()
    late = run_notebook(path, progress=False, timeout=4)
    assert time.monotonic() - began < 20
    assert late.exit_code == 5
    assert (late.status["state"], late.status["kind"]) == ("failed", "timeout")
    assert (late.folder.checkpoint / "saved").exists()


def start(path: Path) -> tuple[subprocess.Popen, RunFolder]:
    """`mvkit run` in a process of its own, waited for until its cell sleeps."""
    # The hash this process has read: someone may be editing the sources while the tests run.
    code = f"""import sys
import mvkit.runs.folder
from mvkit.cli import call
mvkit.runs.folder.code_hash = lambda: {code_hash()!r}
sys.exit(call(['run', {str(path)!r}]))"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    folder = RunFolder.of(path, Parameters.read(path).resolve())
    end = time.monotonic() + 60
    while not (folder.checkpoint / "asleep").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    return process, folder


SLEEP = """import time
first = not (run.checkpoint / "asleep").exists()
(run.checkpoint / "asleep").touch()
if first:
    time.sleep(60)
run.finish(first=first)"""


def test_ctrl_c_leaves_a_run_that_goes_on_later_and_meanwhile_a_second_runner_is_refused(tmp_path, make_notebook):
    path = make_notebook(tmp_path, BEGIN, SLEEP)
    process, folder = start(path)
    assert read_status(folder)["state"] == "running"
    with pytest.raises(AlreadyRunning, match=f"pid {process.pid}"):
        run_notebook(path, progress=False)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted in cell 4 of 4: Ctrl-C" in err
    status = json.loads(folder.status.read_text())
    assert (status["state"], status["cause"]) == ("interrupted", "Ctrl-C")
    assert folder.partial.exists()
    resumed = run_notebook(path, progress=False)
    assert resumed.done
    assert json.loads(folder.results.read_text()) == {"first": False}


def test_a_second_ctrl_c_kills_a_kernel_that_does_not_listen_to_the_first(tmp_path, make_notebook):
    deaf = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    path = make_notebook(tmp_path, BEGIN, deaf + SLEEP)
    process, folder = start(path)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(1)
    _, err = process.communicate(timeout=15)
    assert process.returncode == 130, err
    assert json.loads(folder.status.read_text())["state"] == "interrupted"


def test_a_runner_killed_outright_reads_as_killed_and_its_kernel_goes_with_it(tmp_path, make_notebook):
    path = make_notebook(tmp_path, BEGIN + "\nimport os\n(run.checkpoint / 'pid').write_text(str(os.getpid()))", SLEEP)
    process, folder = start(path)
    process.kill()
    process.communicate()
    assert json.loads(folder.status.read_text())["state"] == "running"
    status = read_status(folder)
    assert (status["state"], status["kind"]) == ("killed", "runner")
    assert str(process.pid) in status["cause"]
    kernel, end = int((folder.checkpoint / "pid").read_text()), time.monotonic() + 15
    while alive(kernel) and time.monotonic() < end:
        time.sleep(0.1)
    assert not alive(kernel)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return not Path("/proc").is_dir()


def test_a_run_can_be_started_from_inside_a_running_loop(tmp_path, make_notebook):
    import asyncio

    path = make_notebook(tmp_path, "1 + 1", parameters="steps: int = 1")

    async def from_a_notebook() -> Outcome:
        return run_notebook(path, progress=False)

    assert asyncio.run(from_a_notebook()).done


def test_the_lock_is_given_back_and_one_thread_of_a_process_excludes_another(tmp_path):
    folder = RunFolder(tmp_path / "run")
    refused: list[bool] = []

    def second() -> None:
        try:
            RunLock(folder).take()
        except AlreadyRunning:
            refused.append(True)

    with RunLock(folder).take() as lock:
        assert lock.taken
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert refused == [True]
    assert not RunLock(folder).taken


def test_papermill_puts_the_values_after_the_parameters_cell_and_old_outputs_go(tmp_path, make_notebook):
    path = make_notebook(tmp_path, "steps")
    nb = nbformat.read(path, as_version=4)
    nb.cells[-1].outputs = [nbformat.v4.new_output("stream", text="stale")]
    nbformat.write(nb, path)
    made = parameterised(path, {"steps": 5, "note": None})
    tags = [cell.metadata.get("tags") for cell in made.cells]
    assert tags[1:3] == [["parameters"], ["injected-parameters"]]
    assert made.cells[2].source == "# Parameters\nsteps = 5\nnote = None\n"
    assert made.cells[-1].outputs == []


def test_an_unknown_notebook_names_the_nearest(tmp_path, make_notebook, monkeypatch):
    make_notebook(tmp_path, "1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="did you mean 'small'"):
        run_notebook("smal")


def test_a_long_cell_says_its_training_step_and_loss_while_it_runs(tmp_path, make_notebook, monkeypatch, capsys):
    code = """import time
(run.folder / "spec.json").write_text('{"steps": 2400}')
run.log(step=400, loss=0.031)
time.sleep(4)"""
    monkeypatch.setattr("mvkit.runs.progress._QUIET_SECONDS", 0)
    assert run_notebook(make_notebook(tmp_path, BEGIN, code, "run.finish()")).done
    lines = capsys.readouterr().err.splitlines()
    assert any("cell 4/5  step 400/2400" in line and line.endswith("loss 0.031") for line in lines), lines
    assert not any("step" in line for line in lines if "cell 5/5" in line)
