"""Every notebook found: committed clean, thin, and run headless with tiny parameters."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from mvkit import checkpoints, methods
from mvkit.bench.lab import chromium, find_chromium
from mvkit.data import shapes
from mvkit.runs.lint import check_notebook
from mvkit.runs.parameters import Parameters
from mvkit.runs.run import Outcome, run_notebook
from mvkit.train import RunSpec
from mvkit.train.chain import ROLES, STARTS, roles
from mvkit.viz import rebuild

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
# It makes its own clips, and has tests of its own.
OTHERS = [path for path in NOTEBOOKS if path.stem != "00_quickstart"]
# One method each; what the others find is tested beside this file.
WALKS = [path for path in NOTEBOOKS if "02" <= path.stem[:2] <= "07"]

every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@every
def test_it_keeps_to_what_mvkit_notebooks_check_asks(path):
    assert [problem.line() for problem in check_notebook(path)] == []


@pytest.mark.parametrize("path", WALKS, ids=lambda path: path.stem)
def test_a_walk_can_be_made_short_and_repeated(path):
    assert {"preset", "steps", "seed"} <= set(Parameters.read(path))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Mapping[str, Any]:
    """Values that make any walk-through a matter of seconds: few steps, a small set by its list, untrained teachers."""
    folder = tmp_path_factory.mktemp("tiny")
    size = {"size": "tiny", "frames": 8, "image": 32, "patch": 8}
    clips = str(shapes.write(folder / "clips", shapes.ShapesSpec(clips=24, val=8, size=32)))
    values = {"steps": 2, "seed": 1, "device": "cpu", "train_list": clips, "val_list": clips, **size}
    for role, kind in ROLES.items():
        torch.manual_seed(7)
        checkpoints.save(folder / kind, methods.create(kind, **size), name=kind, options=size)
        values[role] = f"run:{folder / kind}"
    for kind in STARTS.values():
        options = {**size, "tubelet": 2, **{role: values[role] for role in roles(kind)}}
        checkpoints.save(folder / kind, methods.create(kind, **options), name=kind, options=options)
        values["start"] = f"run:{folder / kind}"
    spec = RunSpec(method="videomae", frames=size["frames"], image=size["image"], steps=1)
    spec.write(folder / "videomae" / "spec.json")
    # What 02 and 06 compare with, what 09 looks at, and what 10 asks.
    known = dict.fromkeys(("weights", "student", "run"), values["video_teacher"])
    seen = {"model_a": values["video_teacher"], "model_b": values["image_teacher"]}  # by 08; else it trains them
    return {**values, **known, **seen, "manifest": clips}


@pytest.fixture(scope="module", params=OTHERS, ids=lambda path: path.stem)
def outcome(request, tiny, tmp_path_factory) -> Outcome:
    """The notebook run in a project of its own."""
    project = tmp_path_factory.mktemp("project")
    (project / "notebooks").mkdir()
    shutil.copy(request.param, project / "notebooks")
    known = Parameters.read(request.param)
    values = {name: value for name, value in tiny.items() if name in known}
    if "vocabulary" not in known:
        values.pop("start", None)  # of 01 it is a frame
    else:  # words about motions, and clips to tell apart
        stories = shapes.write(project / "stories", shapes.ShapesSpec(clips=48, val=16, size=32, story="all"))
        values |= dict.fromkeys(("train_list", "val_list"), str(stories)) | {"asked": 16}
    return run_notebook(project / "notebooks" / request.param.name, values, progress=False)


@pytest.mark.notebook
@pytest.mark.slow
def test_a_tiny_run_is_done_and_every_figure_can_be_drawn_again(outcome):
    assert outcome.done, outcome.status.get("cause")
    folder = outcome.folder
    records = sorted(folder.figures.glob("*.json"))
    assert folder.report.read_text().count("data:image/png;base64,") >= len(records)
    assert all(rebuild(record, folder.path / "again").same_bytes for record in records)


@pytest.mark.notebook
@pytest.mark.slow
def test_the_results_of_a_walk_say_that_the_loss_by_hand_is_the_methods_and_hold_scores_and_figures(outcome):
    if Path(outcome.status["notebook"]).stem not in {path.stem for path in WALKS}:
        pytest.skip("no walk through a method")
    found = json.loads(outcome.folder.results.read_text())
    assert found["figures"] == sorted(record.stem for record in outcome.folder.figures.glob("*.json"))
    assert {"diagram", "masks", "training", "scores"} <= set(found["figures"])
    differences = found["by_hand"] if isinstance(found["by_hand"], dict) else {"loss": found["by_hand"]}
    assert differences and all(value <= 1e-5 for value in differences.values())
    if "task" in found["scores"][0]:
        assert {score["task"] for score in found["scores"]} == {"retrieval", "choice"}
        assert {"one frame", "chance"} < {score["shown"] for score in found["scores"]}
        assert set(found["searched"]) == {"best", "median", "worst"} and {"negatives", "words"} < set(found["figures"])
        return
    assert {score["labels"] for score in found["scores"]} == {"appearance", "motion"}
    assert "untrained" in {score["encoder"] for score in found["scores"]} and len(found["scores"]) >= 8


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine to open reports with")
    with chromium() as opened:
        yield opened


@pytest.mark.notebook
@pytest.mark.browser
@pytest.mark.slow
def test_its_report_opens_without_a_network_and_its_sliders_move(outcome, browser):
    page, wrong = browser.new_page(), []
    page.context.set_offline(True)
    page.on("requestfailed", lambda request: wrong.append(request.url[:80]))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(outcome.folder.report.as_uri())
    pictures, name = page.locator("img"), Path(outcome.status["notebook"]).stem
    assert pictures.count() > 0 or name == "11_compare_methods"  # a fresh project has no runs, and it says so
    assert all(pictures.nth(i).evaluate("one => one.complete && one.naturalWidth > 0") for i in range(pictures.count()))
    sliders = page.locator("input[type=range]")
    if name[:2] in ("01", "08", "09"):
        assert sliders.count() > 0
    for slider in [sliders.nth(i) for i in range(sliders.count())]:
        picture = slider.locator("xpath=ancestor::figure[1]//img")
        before, place = picture.get_attribute("src"), slider.input_value()
        slider.focus()
        slider.press("ArrowLeft" if place == slider.get_attribute("max") else "ArrowRight")
        assert slider.input_value() != place and picture.get_attribute("src") != before
    assert wrong == []
    page.close()
