"""MaskExplorer without a page: pictures, statistics, the Python it shows, masks by hand."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import mvkit
from mvkit import maskers
from mvkit.data import shapes
from mvkit.errors import DataError, MaskError, OptionError
from mvkit.inspect.masks import mask_statistics
from mvkit.tokens import TokenGrid
from mvkit.widgets import MaskExplorer
from mvkit.widgets.cover import CHOICES, covered
from mvkit.widgets.masks import SECOND
from mvkit.widgets.measured import PAINTED
from mvkit.widgets.measures import WORDS
from mvkit.widgets.strategy import controls_of

ALL = maskers.available()
PLACES = {"frames": 8, "size": (32, 48), "patch": 8}  # a grid of 4x4x6


def explorer(**values) -> MaskExplorer:
    return MaskExplorer(shapes.render(1, shapes.ShapesSpec(frames=24, size=64))[0], **PLACES, **values)


@pytest.fixture
def tubes() -> MaskExplorer:
    return explorer()


def run(code: str, given: MaskExplorer) -> dict:
    """The names that the code sets; an array is called `clip`."""
    names = {"mvkit": mvkit, "torch": torch, "clip": shapes.render(1, shapes.ShapesSpec(frames=24, size=64))[0]}
    exec(code, names)
    return names


def same(one, other) -> bool:
    return list(one.roles) == list(other.roles) and all(
        torch.equal(one.roles[role].hidden, other.roles[role].hidden) for role in one.roles
    )


@pytest.mark.parametrize("name", ALL)
def test_the_python_it_shows_makes_exactly_the_mask_it_shows(name):
    chosen = explorer(strategy=name, seed=7, **({"side": 1} if name == "unit" else {}))
    assert same(run(chosen.facts()["Python"], chosen)["mask"], chosen.mask)
    assert maskers.get(name) is type(chosen.masker)


def test_the_python_holds_parameters_the_place_in_the_video_and_the_second_strategy(tubes):
    tubes.set(strategy="motion", ratio=0.6, sharpness=2.0, start=3, stride=2, second="attention", guide="motion")
    tubes.set(second_keep=4)
    made = run(tubes.code, tubes)
    assert same(made["mask"], tubes.mask) and made["mask"].visible_ids.shape[1] == 4 * 10
    assert made["second"].visible_ids.shape[1] == 16
    assert ".window(3, 2, frames=8, patch=8)" in tubes.code and "attention=window.motion" in tubes.code


@pytest.mark.parametrize("name", ALL)
def test_no_parameter_of_a_strategy_has_the_name_of_another_control(name):
    chosen = explorer()
    others = {control.name for control in chosen.controls} - {control.name for control in controls_of("tube")}
    for prefix in ("", SECOND):
        assert not others & {control.name for control in controls_of(name, prefix)}


def test_a_strategy_brings_its_own_controls_and_keeps_a_value_they_share(tubes):
    tubes.set(ratio=0.6)
    tubes.set(strategy="block")
    names = [control.name for control in tubes.controls]
    assert tubes.values["ratio"] == 0.6 and {"blocks", "aspect", "span"} <= set(names)
    tubes.set(strategy="cell", second="noise")
    names = [control.name for control in tubes.controls]
    assert "blocks" not in names and {"side", "second_colour"} <= set(names)


def test_every_picture_is_a_row_for_the_clip_and_one_for_each_strategy(tubes):
    one, two = tubes.picture(), tubes.picture(second="random")
    assert one.dtype == np.uint8 and two.shape[0] > 1.3 * one.shape[0]
    assert not np.array_equal(one, tubes.picture(ratio=0.5))
    assert not np.array_equal(one, tubes.picture(start=4))
    assert not np.array_equal(one, tubes.picture(seed=1))


@pytest.mark.parametrize("look", CHOICES)
def test_what_is_visible_is_the_picture_itself_and_what_is_hidden_looks_hidden(look):
    picture = np.random.default_rng(0).integers(0, 99, (2, 24, 36, 3), np.uint8)
    roles = np.array([[[1, 0, 0], [0, 0, 2]], [[0, 1, 1], [2, 2, 2]]], np.int8)
    drawn = covered(picture, roles, ["hidden", "student", "extra"], look)
    inside = np.zeros((12, 12), bool)
    inside[4:8, 4:8] = True
    assert np.array_equal(drawn[0, :12, :12][inside], picture[0, :12, :12][inside])
    hidden = drawn[0, :12, 12:24]
    assert np.array_equal(hidden, picture[0, :12, 12:24]) == (look == "outline")
    assert (hidden == 128).all() == (look == "grey")
    assert not np.array_equal(drawn[0, 12:, 24:], picture[0, 12:, 24:])  # a role of its own is tinted


def test_the_words_hold_every_statistic_that_is_defined_for_the_mask(tubes):
    facts = tubes.facts(strategy="random")
    drawn = maskers.create("random")(TokenGrid(4, 4, 6), 1, generator=torch.Generator().manual_seed(0))
    stats = mask_statistics(drawn.primary)
    for name, (label, form, _) in WORDS.items():
        assert label in facts
        if name in ("ratio", "place_leak", "border", "rho_time", "visible_clump", "flip_rate"):
            assert facts[label].startswith(form.format(stats[name])), name
    assert set(stats) - set(WORDS) == {"count_min", "count_max", "step_min", "step_max"}
    both = tubes.facts(second="random")["place leak"]
    assert both.startswith("tube 0%, random ")


def test_a_painting_claims_nothing_about_many_masks(tubes):
    facts = tubes.facts(strategy=PAINTED, painted="0-13 20")
    assert not any("64 masks" in text for text in facts.values())
    assert not {"overlap", "overlap by chance"} & set(facts) and "border" in facts


def test_what_is_undefined_is_left_out_and_two_of_one_strategy_are_told_apart(tubes):
    facts = tubes.facts(strategy="none", second="none")
    assert "place leak" not in facts and "tokens" in facts["visible in a step"]
    assert facts["hidden"].startswith("none 0.0%, none, second 0.0%")


def test_a_stand_in_for_attention_is_said_in_words_and_only_where_it_is_used(tubes):
    assert not any("stands in" in text for text in tubes.facts().values())
    said = tubes.facts(strategy="attention")["attention looks at"]
    assert said == "the clip's local contrast stands in for a teacher's attention"
    assert "motion stands in" in tubes.facts(strategy="attention", guide="motion")["attention looks at"]


def test_an_encoder_guides_in_place_of_a_stand_in():
    from mvkit.models.vit import VideoViT

    encoder = VideoViT(TokenGrid(4, 4, 6), patch=8, width=24, depth=1, heads=2).eval()
    chosen = explorer(encoder=encoder, strategy="attention")
    assert chosen.values["guide"] == "model"
    assert chosen.facts()["attention looks at"] == "attention of the last block of the encoder given"
    names = {"mvkit": mvkit, "torch": torch, "encoder": encoder}
    names["clip"] = shapes.render(1, shapes.ShapesSpec(frames=24, size=64))[0]
    exec(chosen.code, names)
    assert same(names["mask"], chosen.mask)


def cell(chosen: MaskExplorer, row: int, column: int, y: float = 0.5, x: float = 0.5) -> tuple[int, int]:
    """A pixel in a cell of the picture, given in fractions of the cell."""
    sheet = chosen._sheet(chosen.values, chosen._rows(chosen.values))
    height, width = sheet.array().shape[:2]
    where = [(left, top) for top in range(0, height, 4) for left in range(0, width, 4)]
    return min(where, key=lambda at: _far(sheet.at(*at), (row, column, y, x)))


def _far(found, wanted) -> float:
    return 99.0 if found is None or found[:2] != wanted[:2] else abs(found[2] - wanted[2]) + abs(found[3] - wanted[3])


def test_dragging_hides_or_shows_what_it_touches_from_the_mask_it_began_on(tubes):
    begun = tubes.mask.volume()[0].clone()
    point = cell(tubes, 1, 2, y=0.9, x=0.05)  # row 3, column 0 of the third step
    tubes.set(**tubes.drag([point], **tubes.values))
    assert tubes.values["strategy"] == PAINTED
    begun[:, 3, 0] = True
    assert torch.equal(tubes.mask.volume()[0], begun)
    tubes.set(brush="show", through=False)
    tubes.set(**tubes.drag([cell(tubes, 1, 2, y=0.9, x=0.05), cell(tubes, 1, 2, y=0.9, x=0.95)], **tubes.values))
    begun[2, 3, :] = False  # the whole row, also what lay between the two points
    assert torch.equal(tubes.mask.volume()[0], begun)
    assert same(run(tubes.code, tubes)["mask"], tubes.mask)


def test_painting_can_begin_on_the_second_strategy_and_outside_the_frames_does_nothing(tubes):
    tubes.set(second="random", second_ratio=0.5)
    second = run(tubes.code, tubes)["second"].volume()[0]
    changes = tubes.drag([cell(tubes, 2, 0, 0.1, 0.1)], **tubes.values)
    tubes.set(**changes)
    second[:, 0, 0] = True
    assert torch.equal(tubes.mask.volume()[0], second)
    assert tubes.drag([cell(tubes, 1, 4)], **tubes.values) == {}  # the map of all steps
    assert tubes.drag([(0, 0)], **tubes.values) == {}


def test_a_click_paints_only_where_a_painting_is_already(tubes):
    point = cell(tubes, 1, 0, 0.1, 0.1)
    assert tubes.click(*point, **tubes.values) == {}
    tubes.set(strategy=PAINTED)
    assert tubes.click(*cell(tubes, 1, 0, 0.1, 0.1), **tubes.values)["painted"] == "0 24 48 72"


def test_emptying_the_text_clears_the_painting_and_wrong_text_is_refused(tubes):
    tubes.set(strategy=PAINTED, painted="0-13 20")
    assert tubes.mask.hidden.sum() == 15
    tubes.set(painted="")
    assert tubes.mask.hidden.sum() == 0
    with pytest.raises(MaskError, match="0 to 95"):
        tubes.picture(painted="96")
    with pytest.raises(MaskError, match="painted"):
        _ = tubes.masker


def test_keys_draw_again_change_the_strategy_and_move_through_the_video(tubes):
    def after(name: str) -> dict:
        return tubes.key(name, **tubes.values)

    assert after("ArrowRight") == {"seed": 1} and after("ArrowLeft") == {"seed": 0}
    assert after("ArrowUp")["strategy"] == ALL[ALL.index("tube") - 1]
    tubes.set(start=20)
    assert after("PageDown") == {"start": 23} and after("PageUp") == {"start": 20 - 4 * tubes.values["stride"]}
    assert after("Enter") == {}


def test_a_clip_that_is_missing_or_a_value_that_cannot_be_is_one_line(tubes, tmp_path):
    with pytest.raises(DataError, match="no_such"):
        tubes.set(file=str(tmp_path / "no_such.mp4"))
    with pytest.raises(OptionError, match="did you mean 'tube'"):
        tubes.set(strategy="tub")
    with pytest.raises(MaskError, match="cannot be cut"):
        tubes.picture(strategy="cell", side=5)
    assert tubes.values["strategy"] == "tube"


def test_a_file_of_ones_own_takes_the_place_of_the_clip(tubes, tmp_path):
    from mvkit.data.shapes.writer import encode

    frames = shapes.render(5, shapes.ShapesSpec(frames=30, size=64))[0]
    (tmp_path / "mine.mp4").write_bytes(encode(frames, 12))
    tubes.set(file=str(tmp_path / "mine.mp4"), start=29)
    assert tubes.facts()["clip"].startswith("mine.mp4, frames 29 to 29, 4x4x6 grid; its last frame is repeated 7 times")
    tubes.set(file="")
    assert tubes.values["start"] == 0 and "the clip given" in tubes.facts()["clip"]


def test_the_printed_twin_shows_the_same_masks_and_can_be_drawn_again(tubes, tmp_path):
    from mvkit.viz import rebuild

    tubes.set(strategy="nested", second="tube", look="outline")
    saved = tubes.save("masks", tmp_path)
    assert rebuild(saved.json, tmp_path / "again").same_bytes
    assert "90%" in saved.record["alt"] or "nested hides" in saved.record["alt"]
    assert saved.record["facts"]["Python"] == tubes.code and saved.record["facts"]["seed"] == 0


def test_rendering_needs_no_widgets():
    code = (
        "import sys; from mvkit.widgets import MaskExplorer; MaskExplorer(size=32, patch=8, frames=4).picture();"
        "print(sorted({'ipywidgets', 'anywidget', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_a_report_slides_over_the_ratio_or_what_a_strategy_has_instead():
    assert [explorer(strategy=name).twin_control for name in ("tube", "nested", "everest", "none", "painted")] == [
        "ratio", "student_ratio", "visible", "", "",
    ]  # fmt: skip
