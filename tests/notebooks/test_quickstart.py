import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mvkit.data.shapes import ShapesSpec
from mvkit.data.shapes.render import render
from mvkit.data.shapes.writer import encode
from mvkit.runs.parameters import Parameters
from mvkit.runs.run import Outcome, run_notebook
from mvkit.viz import rebuild

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "00_quickstart.ipynb"
FIGURES = {"clips", "masks", "training", "reconstruction", "attention", "tracking", "similarity", "scores"}


def test_its_parameters_are_those_the_demo_knows():
    assert set(Parameters.read(NOTEBOOK)) == {"preset", "video", "clips", "steps", "masker", "ratio", "seed"}


@pytest.fixture(scope="module", params=["sample clips", "a video of one's own"])
def outcome(request, tmp_path_factory) -> Iterator[tuple[Outcome, bool]]:
    """The notebook run in a project of its own, with few clips and steps."""
    project = tmp_path_factory.mktemp("project")
    (project / "notebooks").mkdir()
    shutil.copy(NOTEBOOK, project / "notebooks")
    values = {"clips": 40, "steps": 4, "seed": 1}
    own = request.param != "sample clips"
    if own:
        frames = render(0, ShapesSpec(frames=150, size=48))[0]
        (project / "my video é.mp4").write_bytes(encode(np.concatenate([frames, frames[:, :, ::-1]], axis=2), 25))
        values["video"] = "my video é.mp4"
    yield run_notebook(project / "notebooks" / NOTEBOOK.name, values, progress=False), own


@pytest.mark.notebook
@pytest.mark.slow
def test_a_small_run_leaves_the_whole_report(outcome):
    result, _ = outcome
    assert result.done, result.status.get("cause")
    folder = result.folder
    assert json.loads(folder.status.read_text())["state"] == "done"
    html = folder.report.read_text()
    assert html.count("data:image/png;base64,") >= len(FIGURES)
    assert 'src="http' not in html and "<script src" not in html  # the slider's own script is in the page
    assert {path.stem for path in folder.figures.glob("*.json")} == FIGURES
    for record in folder.figures.glob("*.json"):
        assert all(record.with_suffix(f".{kind}").stat().st_size > 500 for kind in ("pdf", "png", "npz")), record.stem
        assert rebuild(record, folder.path / "again").same_bytes, record.stem


@pytest.mark.notebook
@pytest.mark.slow
def test_the_results_hold_the_scores_as_they_are_and_the_honesty_label(outcome):
    result, own = outcome
    found = json.loads(result.folder.results.read_text())
    assert set(found["psnr_held_out"]) == {"VideoMAE", "nearest visible token", "mean of visible pixels"}
    assert {(s["encoder"], s["labels"], s["measure"]) for s in found["scores"]} == {
        (encoder, labels, measure)
        for encoder in ("untrained", "trained")
        for labels in ("appearance", "motion")
        for measure in ("knn", "probe")
    }
    caption = json.loads((result.folder.figures / "reconstruction.json").read_text())["caption"]
    assert found["honesty"] in caption and "Held out from training" in caption
    titles = json.loads((result.folder.figures / "reconstruction.json").read_text())["parameters"]["names"]
    assert titles[0].startswith("your video") is own
    with np.load(result.folder.masks) as masks:
        assert masks["Tube"].dtype == bool and masks["Tube.grid"].tolist() == [8, 14, 14]


@pytest.mark.notebook
@pytest.mark.slow
def test_training_is_logged_while_it_goes_and_leaves_a_checkpoint(outcome):
    result, _ = outcome
    lines = [json.loads(line) for line in result.folder.metrics.read_text().splitlines()]
    assert lines[0]["step"] == 0 and "monitor/knn/motion" in lines[0]
    assert any(line["step"] == 4 and np.isfinite(line["loss"]) for line in lines if "loss" in line)
    assert list(result.folder.checkpoint.rglob("*.safetensors")) or list(result.folder.checkpoint.rglob("*.pt"))
