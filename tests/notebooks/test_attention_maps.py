import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from mvkit import checkpoints, methods
from mvkit.runs.parameters import Parameters
from mvkit.runs.run import Outcome, run_notebook
from mvkit.viz import rebuild

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "08_attention_maps.ipynb"
FIGURES = {"explorer", "heads-a", "heads-b", "layers", "rollout", "received", "masked", "distance"}


def test_nothing_is_needed_to_run_it_and_every_parameter_says_what_it_is():
    parameters = Parameters.read(NOTEBOOK)
    assert {"model_a", "model_b", "video", "query", "layers", "seed"} <= set(parameters)
    assert all(item.help for item in parameters.values())


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Mapping[str, Any]:
    """Untrained ones, of 24 pixels: (4, 3, 3) tokens for the video model, the same places for the image model."""
    folder, size = tmp_path_factory.mktemp("models"), {"size": "tiny", "frames": 8, "image": 24, "patch": 8}
    torch.manual_seed(7)
    for kind in ("videomae", "mae"):
        checkpoints.save(folder / kind, methods.create(kind, **size), name=kind, options=size)
    return {"model_a": str(folder / "videomae"), "model_b": f"run:{folder / 'mae'}"}


@pytest.fixture(scope="module")
def outcome(models, tmp_path_factory) -> Outcome:
    project = tmp_path_factory.mktemp("project")
    (project / "notebooks").mkdir()
    shutil.copy(NOTEBOOK, project / "notebooks")
    values = {**models, "query": [2, 1, 3], "layers": [1, 2], "seed": 1}
    return run_notebook(project / "notebooks" / NOTEBOOK.name, values, progress=False)


@pytest.mark.notebook
@pytest.mark.slow
def test_two_models_and_a_control_leave_every_figure_and_a_slider_in_the_report(outcome):
    assert outcome.done, outcome.status.get("cause")
    folder = outcome.folder
    records = sorted(folder.figures.glob("*.json"))
    assert {record.stem for record in records} == FIGURES
    assert all(rebuild(record, folder.path / "again").same_bytes for record in records)
    assert folder.report.read_text().count("data:image/png;base64,") >= len(FIGURES)


@pytest.mark.notebook
@pytest.mark.slow
def test_its_results_say_who_was_asked_and_hold_uniform_attention_beside_every_model(outcome):
    found = json.loads(outcome.folder.results.read_text())
    assert found["token"] == [2, 1, 3] and set(found["models"]) == {"A: videomae", "B: mae"}
    rows = found["attention"]
    models = {"A: videomae", "A: videomae, untrained", "B: mae"}
    assert {f"{model}, uniform" for model in models} <= set(rows)
    assert all(rows[f"{model}, uniform"]["entropy / uniform"] == 1 for model in models)
    assert rows["B: mae, block 1"]["distance, seconds"] == 0 < rows["A: videomae, block 1"]["distance, seconds"]
