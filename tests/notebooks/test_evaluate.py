import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from mvkit import checkpoints, methods
from mvkit.data import shapes
from mvkit.inspect.evaluated import TASKS, WORDS
from mvkit.runs.parameters import Parameters
from mvkit.runs.run import Outcome, run_notebook
from mvkit.train import RunSpec
from mvkit.viz import rebuild

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "10_evaluate.ipynb"


def test_it_asks_every_task_there_is_and_nothing_is_needed_to_run_it():
    parameters = Parameters.read(NOTEBOOK)
    assert parameters["task"].kind.limit.choices == tuple(TASKS)
    assert parameters["run"].default == "" == parameters["manifest"].default


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Mapping[str, Any]:
    """An untrained run of umt_vl, and 8 clips to learn from and 8 held out, of both stories."""
    folder, size = tmp_path_factory.mktemp("tiny"), {"size": "tiny", "patch": 8}
    torch.manual_seed(7)
    clips = {"frames": 8, "image": 32}
    checkpoints.save(folder / "clip", methods.create("clip_frames", **size, **clips), name="clip_frames",
                     options={**size, **clips})  # fmt: skip
    options = {**size, "text_size": "tiny", "embed_width": 16, "clip_teacher": f"run:{folder / 'clip'}"}
    made = methods.create("umt_vl", **options, **clips)
    checkpoints.save(folder / "vl", made, name="umt_vl", options={**options, **clips})
    RunSpec(method="umt_vl", options=options, stride=3, steps=1, **clips).write(folder / "vl" / "spec.json")
    told = shapes.write(folder / "told", shapes.ShapesSpec(clips=24, val=8, size=32, story="all"))
    return {"run": f"run:{folder / 'vl'}", "manifest": str(told), "epochs": 1, "few": [1, 0], "device": "cpu"}


@pytest.fixture(scope="module", params=["few_shot", "retrieval", "qa", "detection"])
def outcome(request, tiny, tmp_path_factory) -> Outcome:
    project = tmp_path_factory.mktemp("project")
    (project / "notebooks").mkdir()
    shutil.copy(NOTEBOOK, project / "notebooks")
    return run_notebook(project / "notebooks" / NOTEBOOK.name, {**tiny, "task": request.param}, progress=False)


@pytest.mark.notebook
@pytest.mark.slow
def test_a_task_leaves_scores_with_controls_and_examples_that_can_be_drawn_again(outcome):
    assert outcome.done, outcome.status.get("cause")
    found, folder = json.loads(outcome.folder.results.read_text()), outcome.folder
    task = found["headline"]["task"]
    assert {"clip", "one frame", "chance", "margin"} <= set(found["headline"])
    assert ("no clip" in found["headline"]) == (task == "qa") and ("untrained, clip" in found["headline"]) == (
        task not in (*WORDS, "detection")
    )
    assert {row["encoder"] for row in found["scores"]} >= {"trained", "one frame", "chance"}
    assert set(found["figures"]) == {"scores", "examples"} | ({"few"} if task == "few_shot" else set())
    assert all(rebuild(record, folder.path / "again").same_bytes for record in folder.figures.glob("*.json"))
