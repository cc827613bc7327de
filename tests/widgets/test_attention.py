"""The attention explorer without a page: what its values, clicks and keys do; its numbers are those of `inspect`."""

import json

import numpy as np
import pytest
import torch

from mvkit import TokenGrid, checkpoints, methods
from mvkit.errors import CheckpointError, DataError, OptionError
from mvkit.inspect.attention_distance import attention_distance
from mvkit.inspect.query_keys import query_keys
from mvkit.models.timm_encoder import timm_encoder
from mvkit.models.vit import VideoViT
from mvkit.widgets import AttentionExplorer
from mvkit.widgets.attention import ALL, CLASS, EACH, TOKEN, _masking, _place

GRID = TokenGrid(2, 3, 5)
CLIP = torch.rand(3, 12, 12, 20, generator=torch.Generator().manual_seed(0))
VIDEO, IMAGE = "video", "image"


def vit(
    grid: TokenGrid = GRID, *, depth: int = 3, heads: int = 3, patch: int = 4, class_token: bool = False
) -> VideoViT:
    torch.manual_seed(depth)
    tubelet = 2 if grid.t > 1 else 1
    encoder = VideoViT(
        grid, tubelet=tubelet, patch=patch, width=12 * heads, depth=depth, heads=heads, class_token=class_token
    ).eval()
    for block in encoder.blocks:
        torch.nn.init.normal_(block.attn.qkv.weight, std=0.4)
    return encoder


@pytest.fixture(scope="module")
def encoders() -> dict[str, VideoViT]:
    return {VIDEO: vit(), IMAGE: vit(TokenGrid(1, 6, 5), depth=6, heads=2, class_token=True)}


@pytest.fixture
def explorer(encoders) -> AttentionExplorer:
    # 24 x 20 pixels for the image encoder, 12 x 20 for the other: each sees the clip at its own size.
    return AttentionExplorer(encoders, CLIP, fps=25.0, stride=1)


@pytest.fixture
def alone(encoders) -> AttentionExplorer:
    return AttentionExplorer({VIDEO: encoders[VIDEO]}, CLIP, stride=2)


def pixel(explorer: AttentionExplorer, row: int, column: int, y: float, x: float) -> tuple[int, int]:
    """A pixel of the picture that lies in a cell at about these fractions of it."""
    _, canvas = explorer._canvas(explorer.values, explorer._rows(explorer.values))
    height, width = canvas.array().shape[:2]
    for py, px in ((py, px) for py in range(0, height, 3) for px in range(0, width, 3)):
        at = canvas.at(px, py)
        if at and at[:2] == (row, column) and abs(at[2] - y) < 0.06 and abs(at[3] - x) < 0.06:
            return px, py
    raise AssertionError("no such pixel")


def test_a_row_a_model_and_what_it_shows_is_the_map_of_its_queries_and_keys(explorer, encoders):
    rows = {row.model: row for row in explorer._rows(explorer.resolve({"step": 2, "row": 1, "column": 5, "layer": 6}))}
    video = explorer.audience.window(
        explorer.audience.attention.__wrapped__ and _place(explorer.values), (12, 20)
    ).video
    want = query_keys(encoders[VIDEO], video, (3,))[3].query_map((1, 0, 4))[0]
    assert np.allclose(rows[VIDEO].map, want, atol=1e-6) and rows[VIDEO].label == "video\nblock 3 of 3"
    large = explorer.audience.window(_place(explorer.values), (24, 20)).video
    want = query_keys(encoders[IMAGE], large, (6,), steps=2)[6].query_map((1, 1, 4))[0]  # rows are half as high there
    assert np.allclose(rows[IMAGE].map, want, atol=1e-6, equal_nan=True) and rows[IMAGE].who == (1, 1, 4)


def test_the_picture_changes_with_layer_head_token_and_colours(alone):
    pictures = [alone.picture(**values) for values in (
        {}, {"layer": 1}, {"heads": 2}, {"heads": "max"}, {"row": 1}, {"step": 2}, {"alone": True}, {"whose": ALL},
        {"rollout": True}, {"rollout": True, "discard": 0.5}, {"rollout": True, "fusion": "max"}, {"masker": "random"},
        {"limits": "each row"},
    )]  # fmt: skip
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in pictures)
    kinds = {picture.tobytes() for picture in pictures}
    assert len(kinds) == len(pictures)


def test_a_click_in_any_row_asks_the_token_under_it_and_clicks_between_cells_do_nothing(explorer):
    x, y = pixel(explorer, 0, 1, 0.9, 0.1)
    assert explorer.click(x, y, **explorer.values) == {"step": 2, "row": 3, "column": 1, "whose": TOKEN}
    x, y = pixel(explorer, 2, 0, 0.1, 0.5)
    assert explorer.click(x, y, **explorer.values) == {"step": 1, "row": 1, "column": 3, "whose": TOKEN}
    assert explorer.click(1, 1, **explorer.values) == {}


def test_keys_move_the_token_and_stop_at_the_edge(alone):
    moved = {}
    for name in ("ArrowUp", "ArrowLeft", "PageDown", "PageDown", "ArrowRight", "End"):
        alone.set(**(moved := alone.key(name, **alone.values)))
    assert (alone.values["step"], alone.values["row"], alone.values["column"]) == (2, 1, 3)
    assert moved == {"step": 2, "whose": TOKEN}
    alone.set(row=1)
    assert alone.key("ArrowUp", **alone.values) == {"row": 1, "whose": TOKEN} and alone.key("x", **alone.values) == {}


def test_the_words_of_a_token_average_to_those_of_the_layer(alone, encoders):
    video = alone.audience.window(_place(alone.values), (12, 20)).video
    whole = attention_distance(query_keys(encoders[VIDEO], video, (2,)), patch=4, tubelet=2, stride=2, fps=25.0)
    entropy = []
    for token in range(30):
        step, row, column = GRID.place(token)
        told = alone.facts(layer=2, heads=1, step=step + 1, row=row + 1, column=column + 1)["video, block 2 of 3"]
        entropy.append(float(told.split()[1]))
    assert np.mean(entropy) == pytest.approx(float(whole.entropy[0, 0, 0]), abs=0.005)


def test_seconds_need_a_clip_whose_speed_is_known(explorer, alone):
    told = explorer.facts(step=2, row=2, column=1)
    assert told["Attention of"] == "step 2 of 2 (0.08 to 0.16 s), row 2 of 3, column 1 of 5"
    assert " s away (uniform 0.04)" in told["video, block 3 of 3"] and "75%" not in told["video, block 3 of 3"]
    assert "sees one frame at a time" in told["image, block 6 of 6"] and "24x20" in told["image, block 6 of 6"]
    assert (
        " steps away (uniform 0.50)" in alone.facts()["video, block 3 of 3"]
        and "s)" not in alone.facts()["Attention of"]
    )
    sample = AttentionExplorer({VIDEO: vit()}, 2)
    assert "(0.00 to 0.33 s)" in sample.facts(step=1, stride=2)["Attention of"]  # 2 frames, 2 apart, 12 a second


def test_there_is_a_class_token_only_where_a_model_has_one(explorer, alone):
    whose = next(control for control in alone.controls if control.name == "whose")
    assert whose.choices == (TOKEN, ALL)
    with pytest.raises(OptionError, match="whose"):
        alone.set(whose=CLASS)
    rows = explorer._rows(explorer.resolve({"whose": CLASS}))
    assert np.isnan(rows[0].map).all() and "none is made up" in rows[0].why
    assert np.isfinite(rows[1].map).all() and rows[1].map.sum() <= 1 + 1e-5
    assert "no class token" in explorer.facts(whose=CLASS)["video, block 3 of 3"]


def test_every_head_has_a_row_and_a_head_that_is_not_there_is_said_to_be_missing(explorer):
    rows = explorer._rows(explorer.resolve({"heads": EACH}))
    assert [row.label.split(", ")[1] for row in rows] == ["head 1", "head 2", "head 3", "head 1", "head 2"]
    assert explorer.facts(heads=EACH)["video, block 3 of 3"].startswith("3 heads: entropy")
    assert explorer.facts(heads=3)["image, block 6 of 6"] == "it has heads 1 to 2"


def test_hidden_tokens_are_nan_and_a_hidden_token_that_is_asked_is_told_so(explorer):
    values = explorer.resolve({"masker": "random", "ratio": 0.5, "seed": 4})
    mask = explorer.audience.mask(VIDEO, _place(explorer.values), _masking(values))
    seen, hidden = GRID.place(int(mask.visible_ids[0, 0])), GRID.place(int(mask.hidden_ids[0, 0]))
    at = {name: value + 1 for name, value in zip(("step", "row", "column"), seen, strict=True)}
    row = explorer._rows(explorer.resolve({**values, **at}))[0]
    assert np.array_equal(np.isnan(row.map), mask.volume()[0].numpy()) and row.hatched == "hatched: hidden by the mask"
    assert np.nansum(row.map) == pytest.approx(1, abs=1e-5)
    at = {name: value + 1 for name, value in zip(("step", "row", "column"), hidden, strict=True)}
    facts = explorer.facts(**{**values, **at})
    assert facts["video, block 3 of 3"] == "this token is hidden by the mask: click one that is not"
    assert facts["Mask"].startswith(
        "random, ratio 0.5, seed 4: 15 of 30 tokens visible to video; whole frames seen by image"
    )
    assert explorer.picture(**{**values, **at}).shape[2] == 3


def test_a_mask_that_cannot_be_drawn_is_one_line_and_a_click_runs_no_encoder(alone):
    runs = []
    alone.audience.compared.encoders[VIDEO].register_forward_hook(lambda *_: runs.append(1))
    alone.picture(), alone.picture(row=1), alone.picture(layer=1, heads=EACH), alone.facts(column=2)
    assert len(runs) == 1
    alone.picture(masker="tube", ratio=0.5)
    assert len(runs) == 2


def test_it_saves_the_printed_twin_of_the_picture(explorer, tmp_path):
    explorer.set(heads=EACH, limits="each row")
    saved = explorer.save("attention", tmp_path)
    record = json.loads(saved.json.read_text())
    assert record["function"] == "attention.query_maps" and "uniform" in record["caption"]
    assert len(record["colour_limits"]) == 5
    hidden = explorer.resolve({"whose": CLASS})
    assert explorer.figure(**hidden)[1].alt.startswith("Attention over a 2x6x5 grid, of no one token")


def test_a_timm_model_and_a_run_stand_side_by_side(tmp_path):
    torch.manual_seed(0)
    size = {"size": "tiny", "frames": 4, "image": 32, "patch": 16}
    checkpoints.save(tmp_path / "run", methods.create("videomae", **size), name="videomae", options=size)
    image = timm_encoder("vit_tiny_patch16_224", pretrained=False, embed_dim=24, depth=2, num_heads=3, img_size=32)
    explorer = AttentionExplorer({"run": tmp_path / "run", "timm": image}, 1)
    assert [row.map.shape for row in explorer._rows(explorer.values)] == [(2, 2, 2), (2, 2, 2)]
    assert "timm, block 2 of 2" in explorer.facts()


def test_what_is_not_there_is_told_when_it_is_drawn(tmp_path):
    explorer = AttentionExplorer({VIDEO: vit()}, tmp_path / "no.mp4")
    with pytest.raises(DataError, match=r"no\.mp4"):
        explorer.picture()
    explorer = AttentionExplorer({VIDEO: tmp_path / "no run"}, CLIP)
    with pytest.raises(CheckpointError, match="no run"):
        explorer.picture()
    with pytest.raises(OptionError, match="at least one model"):
        AttentionExplorer({}, CLIP).facts()


def test_every_control_has_help_and_those_that_do_nothing_are_not_shown(explorer):
    assert all(control.help and control.label for control in explorer.controls)
    shown = {control.name for control in explorer.controls if control.shown(explorer.values)}
    assert not {"sample", "fusion", "discard", "ratio", "seed"} & shown and {"layer", "heads", "step", "alone"} <= shown
    values = explorer.resolve({"whose": ALL, "rollout": True, "masker": "tube"})
    shown = {control.name for control in explorer.controls if control.shown(values)}
    assert {"fusion", "discard", "ratio", "seed"} <= shown and not {"heads", "step", "alone"} & shown
