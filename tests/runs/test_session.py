"""`begin` where no runner watches: in this process as in JupyterLab, and under plain papermill."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import papermill
import pytest

from mvkit.errors import RunError
from mvkit.runs import RunFolder, begin, read_status
from mvkit.runs.folder import AlreadyRunning, RunLock

BEGIN = "import mvkit\nrun = mvkit.runs.begin(parameters=globals(), notebook='small')\nrun"
VALUES = {"steps": 5, "rate": 0.5, "flag": True, "masker": "random", "layers": [1], "note": None}


@pytest.fixture
def notebook(tmp_path, make_notebook, monkeypatch) -> Path:
    """A notebook in tmp_path/notebooks, where the process works, as JupyterLab would start it."""
    path = make_notebook(tmp_path, BEGIN, "run.save_results(twice=2 * steps)\nrun.finish()")
    monkeypatch.chdir(path.parent)
    monkeypatch.delenv("MVKIT_RUN_FOLDER", raising=False)
    return path


def only_run(root: Path) -> RunFolder:
    (status,) = root.glob("reports/small/*/status.json")
    return RunFolder(status.parent)


def test_begin_makes_the_folder_a_runner_would_make_and_moves_to_the_project_root(notebook, tmp_path):
    run = begin(parameters={**VALUES, "other": object()}, notebook="small")
    assert run.folder == RunFolder.of(notebook, VALUES).path
    assert Path.cwd() == tmp_path
    assert run.figures.is_dir()
    assert run.checkpoint.is_dir()
    assert json.loads((run.folder / "params.json").read_text()) == VALUES
    assert read_status(run.run)["state"] == "running"
    run.finish(accuracy=np.float32(0.5))
    status = read_status(run.run)
    assert (status["state"], status["runner"]) == ("done", "session")
    assert json.loads((run.folder / "results.json").read_text()) == {"accuracy": 0.5}
    assert not RunLock(run.run).taken


def test_begin_again_takes_over_from_itself_and_keeps_the_checkpoint_unless_fresh(notebook):
    first = begin(parameters=VALUES, notebook="small")
    (first.checkpoint / "step.bin").touch()
    first.log(step=3, loss=1.0)
    second = begin(parameters=VALUES, notebook="small")
    assert second.folder == first.folder
    assert (second.checkpoint / "step.bin").exists()
    assert second.run.last_metrics()["step"] == 3
    third = begin(parameters=VALUES, notebook="small", fresh=True)
    assert not (third.checkpoint / "step.bin").exists()
    assert third.run.last_metrics() == {}
    third.finish()


def test_a_run_another_process_works_on_is_refused(notebook):
    folder = RunFolder.of(notebook, VALUES)
    with RunLock(folder).take(), pytest.raises(AlreadyRunning, match="already running"):
        begin(parameters=VALUES, notebook="small")


def test_under_a_runner_the_values_must_be_those_the_run_was_made_for(notebook, tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "reports" / "small" / "abc")
    folder.prepare(VALUES)
    monkeypatch.setenv("MVKIT_RUN_FOLDER", str(folder.path))
    run = begin(parameters=VALUES, notebook="small")
    assert run.folder == folder.path
    run.finish()
    assert not folder.status.exists()  # that file is the runner's
    for changed, now in ((6, "6"), (5.0, "5.0"), ("5", "'5'")):
        with pytest.raises(RunError, match=f"'steps' was 5 when the run began and is now {now}"):
            begin(parameters={**VALUES, "steps": changed}, notebook="small")
    with pytest.raises(RunError, match="in a run of 'small'"):
        begin(parameters=VALUES, notebook="other")


def test_a_torn_last_line_is_cut_and_the_journal_goes_on(notebook):
    first = begin(parameters=VALUES, notebook="small")
    (first.checkpoint / "step.bin").touch()
    first.log(step=1)
    with first.run.metrics.open("ab") as file:
        file.write(b'{"step": 2, "lo')
    second = begin(parameters=VALUES, notebook="small")
    second.log(loss=2.0)
    lines = [json.loads(line) for line in second.run.metrics.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 1]
    second.finish()


def test_masks_are_kept_by_role_with_their_grid_and_added_to(notebook):
    run = begin(parameters=VALUES, notebook="small")
    hidden = np.arange(30).reshape(1, 30) % 2 == 0
    tensor = SimpleNamespace(cpu=lambda: SimpleNamespace(numpy=lambda: hidden))
    mask = SimpleNamespace(hidden=tensor, grid=SimpleNamespace(shape=(2, 3, 5)))
    mask.roles = {"encoder": mask}
    run.save_masks(tube=mask)
    run.save_masks({"pair": SimpleNamespace(roles={"student": mask, "teacher": mask})}, plain=hidden)
    with np.load(run.folder / "masks.npz") as kept:
        names = {"tube", "pair.student", "pair.teacher"}
        assert set(kept) == names | {f"{name}.grid" for name in names} | {"plain"}
        assert kept["tube"].dtype == np.bool_
        assert np.array_equal(kept["pair.teacher"], hidden)
        assert kept["tube.grid"].tolist() == [2, 3, 5]
    with pytest.raises(RunError, match="'scores' must be a TokenMask"):
        run.save_masks(scores=np.ones((1, 30)))
    run.finish()


def test_results_that_json_cannot_hold_are_refused_by_type(notebook):
    run = begin(parameters=VALUES, notebook="small")
    run.save_results(array=np.arange(3), path=Path("a"), inf=float("inf"))
    kept = json.loads((run.folder / "results.json").read_text())
    assert kept == {"array": [0, 1, 2], "path": "a", "inf": "Infinity"}
    with pytest.raises(RunError, match="object cannot be written"):
        run.save_results(bad=object())
    assert json.loads((run.folder / "results.json").read_text()) == kept
    run.finish()


def test_a_notebook_nobody_knows_is_refused(notebook):
    with pytest.raises(RunError, match=r"no notebook 'smal' .* did you mean 'small'"):
        begin(parameters=VALUES, notebook="smal")


def papermill_run(notebook: Path, **parameters: object) -> None:
    os.chdir(notebook.parent.parent)
    nb = nbformat.read(notebook, as_version=4)
    nb.metadata.kernelspec.name = "python3"
    nbformat.write(nb, notebook)
    papermill.execute_notebook(notebook, notebook.parents[1] / "out.ipynb", parameters, progress_bar=False)


def test_plain_papermill_leaves_a_done_run(notebook, tmp_path):
    papermill_run(notebook, steps=9)
    folder = only_run(tmp_path)
    assert read_status(folder)["state"] == "done"
    assert json.loads(folder.results.read_text()) == {"twice": 18}
    assert json.loads(folder.params.read_text())["steps"] == 9


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stpes": 9}, "unknown parameter 'stpes'; did you mean 'steps'"),
        ({"flag": "false"}, "'flag' wants bool, got 'false'"),
        ({"rate": "1e-4"}, "'rate' wants float"),
    ],
)
def test_plain_papermill_with_a_wrong_parameter_fails_in_its_first_cell(notebook, tmp_path, given, message):
    with pytest.raises(papermill.PapermillExecutionError) as failed:
        papermill_run(notebook, **given)
    assert failed.value.ename == "OptionError"
    assert message in failed.value.evalue
    assert not (tmp_path / "reports").exists()


def test_a_cell_that_fails_under_plain_papermill_leaves_failed(tmp_path, make_notebook, monkeypatch):
    monkeypatch.delenv("MVKIT_RUN_FOLDER", raising=False)
    notebook = make_notebook(tmp_path, BEGIN, "{}['a']", "run.finish()")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(papermill.PapermillExecutionError):
        papermill_run(notebook)
    status = json.loads(only_run(tmp_path).status.read_text())
    assert (status["state"], status["cause"]) == ("failed", "KeyError: 'a'")


def test_a_kernel_that_ends_before_finish_leaves_interrupted(tmp_path, make_notebook, monkeypatch):
    monkeypatch.delenv("MVKIT_RUN_FOLDER", raising=False)
    notebook = make_notebook(tmp_path, BEGIN)
    monkeypatch.chdir(tmp_path)
    papermill_run(notebook)
    status = json.loads(only_run(tmp_path).status.read_text())
    assert (status["state"], status["cause"]) == ("interrupted", "the kernel ended before run.finish()")
