"""`mvkit eval TASK RUN` from the command line."""

import json
from pathlib import Path

import pytest

from mvkit import checkpoints, methods
from mvkit.cli import call
from mvkit.train import RunSpec

OPTIONS = {"size": "tiny", "patch": 8, "frames": 4, "image": 16}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of an untrained run, with a spec, on 16 clips of which 8 are held out."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "tiny"
    data = {"clips": 16, "val": 8, "size": 16, "frames": 8}
    checkpoints.save(
        folder / "checkpoint" / "step_000001", methods.create("videomae", **OPTIONS), name="videomae", options=OPTIONS
    )
    RunSpec(options={"size": "tiny", "patch": 8}, frames=4, image=16, steps=1, data=data).write(folder / "spec.json")
    return folder


def test_a_task_prints_a_table_and_leaves_results_beside_the_run(run, capsys):
    asked = ["eval", "classify", str(run), "--labels", "motion", "--measure", "knn", "--few", "1,0", "--seeds", "0,1"]
    assert call(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["labels", "measure", "few", "shown", "seed", "accuracy"]
    written = run.with_name("tiny.eval") / "classify" / "results.json"
    assert lines[-1] == str(written)
    said = json.loads(written.read_text())
    assert said["task"] == "classify" and said["spec"]["seeds"] == [0, 1]
    assert {row["of"]["shown"] for row in said["scores"]} == {"clip", "one frame", "untrained, clip", "chance"}
    assert call([*asked, "--json", "--out", "elsewhere"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(Path("elsewhere/results.json").read_text()) == said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["classify", "nowhere"], "nowhere/spec.json cannot be read"),
        (["classify", "RUN", "--few", "one"], "--few wants whole numbers with commas, as 0,1,2, got 'one'"),
        (["classify", "RUN", "--manifest", "list.csv"], "list.csv: no such manifest"),
        (["choice", "RUN"], "umt_vl, got one of videomae"),
        (["qa", "RUN", "--tune", "epochs"], "--tune wants name=value, as lr=1e-4, got 'epochs'"),
        (["qa", "RUN", "--tune", "epoch=3"], "unknown option 'epoch'; did you mean 'epochs'"),
        (["retrieval", "RUN", "--recipe", "umt_base_msrvt"], "did you mean 'umt_base_msrvtt"),
    ],
)
def test_what_cannot_be_asked_is_one_line(run, capsys, arguments, message):
    assert call(["eval", *(str(run) if word == "RUN" else word for word in arguments)]) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1 and message in err[0]
    assert not run.with_name("tiny.eval").exists()
