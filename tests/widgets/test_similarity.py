import numpy as np
import pytest
import torch

from mvkit import TokenGrid, checkpoints, methods
from mvkit.errors import CheckpointError, DataError, OptionError
from mvkit.inspect import similarity
from mvkit.models.vit import VideoViT
from mvkit.widgets import SimilarityExplorer

GRID = TokenGrid(2, 3, 5)
CLIP = torch.rand(3, 4, 12, 20, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255


def encoder(grid: TokenGrid = GRID, tubelet: int = 2, depth: int = 2, patch: int = 4) -> VideoViT:
    torch.manual_seed(depth)
    return VideoViT(grid, tubelet=tubelet, patch=patch, width=24, depth=depth, heads=3)


def image_encoder() -> VideoViT:
    return encoder(TokenGrid(1, 2, 4), tubelet=1, depth=4, patch=6)


@pytest.fixture(scope="module")
def explorer() -> SimilarityExplorer:
    return SimilarityExplorer({"image teacher": image_encoder(), "student": encoder()}, CLIP)


def cell(explorer: SimilarityExplorer, row: int, column: int) -> tuple[int, int]:
    """The middle of a cell, in pixels, found by asking where clicks fall."""
    _, canvas = explorer._canvas(explorer.values)
    inside = [
        (x, y) for y in range(0, 800, 3) for x in range(0, 1100, 3) if (canvas.at(x, y) or ())[:2] == (row, column)
    ]
    return tuple(round(sum(side) / len(inside)) for side in zip(*inside, strict=True))


def test_the_maps_are_those_of_each_model_s_features_at_that_depth(explorer):
    found = explorer._rows(explorer.values).maps(4, (1, 2, 3), centred=True)
    assert list(found) == ["pixels", "image teacher", "student"]
    with torch.no_grad():
        tokens = explorer.models.encoders["student"](CLIP[None], layers=(2,)).layers[2]
    want = similarity.query_map(tokens, GRID, (1, 2, 3))[0].numpy()
    assert np.allclose(found["student"], want, atol=1e-6)


def test_a_model_with_places_of_its_own_is_asked_about_the_token_at_the_same_place(explorer):
    found = explorer._rows(explorer.values).maps(4, (1, 2, 3), centred=True)["image teacher"]
    assert found.shape == (2, 2, 4)
    assert found[1, 1, 2] == pytest.approx(1, abs=1e-5)  # (2 + 0.5) * 2/3 = 1.7 and (3 + 0.5) * 4/5 = 2.8


def test_the_layer_of_a_shallower_model_lies_as_deep(explorer):
    assert [explorer.models.block("student", layer) for layer in (1, 2, 3, 4)] == [1, 1, 2, 2]
    assert "student, block 1 of 2" in explorer.facts(layer=2) and "student, block 2 of 2" in explorer.facts(layer=4)


@pytest.mark.parametrize(
    "change",
    [{"row": 1}, {"step": 2}, {"layer": 1}, {"features": "raw"}, {"limits": "each row"}, {"matrix": "pooled"},
     {"baselines": False}],
    ids=str,
)  # fmt: skip
def test_every_control_changes_the_picture(explorer, change):
    before, after = explorer.picture(), explorer.picture(**change)
    assert before.dtype == np.uint8 and before.ndim == 3
    assert before.shape != after.shape or (before != after).any()
    assert (explorer.picture() == before).all()


def test_a_click_asks_about_the_token_under_it_and_a_matrix_about_its_step(explorer):
    x, y = cell(explorer, 0, 1)
    assert explorer.click(x, y, **explorer.values) == {"step": 2, "row": 2, "column": 3}
    assert explorer.click(*cell(explorer, 2, 0), **explorer.values)["step"] == 1
    assert explorer.click(*cell(explorer, 1, 2), **explorer.values) == {"step": 2}  # the lower half of a 2x2 matrix
    assert explorer.click(0, 0, **explorer.values) == {}


def test_keys_move_the_token_and_stop_at_the_edge(explorer):
    at = {**explorer.values, "step": 1, "row": 3, "column": 2}
    moved = {name: explorer.key(name, **at) for name in ("ArrowUp", "ArrowRight", "ArrowDown", "PageDown", "End", "x")}
    assert moved == {
        "ArrowUp": {"row": 2}, "ArrowRight": {"column": 3}, "ArrowDown": {}, "PageDown": {"step": 2},
        "End": {"step": 2}, "x": {},
    }  # fmt: skip


def test_it_says_the_numbers_of_the_clip_and_of_both_controls(explorer):
    told = explorer.facts()
    rows = explorer._rows(explorer.values)
    want = similarity.off_diagonal(rows.features["student"].matrix(2)[None])
    assert told["student, block 2 of 2"].startswith(f"two steps {float(want):.2f}; static clip ")
    assert "static clip 1.00; mean of 4 shuffles" in told["image teacher, block 4 of 4"]
    assert "static" not in explorer.facts(baselines=False)["student, block 2 of 2"]
    assert told["Query"] == "step 1, row 2, column 3" and "(0, 1, 2)" in told["Python"]


def test_the_line_of_python_gives_the_map_of_the_last_row(explorer):
    values = explorer.resolve({"row": 3, "features": "raw"})
    rows = explorer._rows(values)
    names = {"similarity": similarity, "TokenGrid": TokenGrid, "tokens": rows.features["student"].layer(2)}
    found = eval(explorer.facts(**{k: values[k] for k in ("row", "features")})["Python"], names)
    want = rows.maps(4, (0, 2, 2), centred=False)["student"]
    assert np.allclose(found[0].numpy(), want, atol=1e-6)


def test_the_printed_figure_shows_the_same_rows(explorer, tmp_path):
    explorer.set(row=3, features="raw", limits="each row")
    saved = explorer.save("similarity", tmp_path)
    explorer.set(row=2, features="centred", limits="shared")
    assert saved.pdf.exists() and set(saved.record["colour_limits"]) == {
        "pixels", "image teacher, block 4 of 4", "student, block 2 of 2"
    }  # fmt: skip
    assert saved.record["parameters"]["query"] == [0, 2, 2] and "static clip" in saved.record["caption"]


def test_a_click_encodes_nothing(explorer):
    explorer.picture()
    calls = []
    hooks = [one.encoder.register_forward_hook(lambda *_: calls.append(1)) for one in explorer.models.encoders.values()]
    explorer.picture(row=1, step=2), explorer.picture(layer=2, matrix="matched")
    [hook.remove() for hook in hooks]
    assert calls == []


def test_the_model_given_is_not_frozen_nor_put_in_another_mode():
    model = encoder().train()
    SimilarityExplorer({"student": model}, CLIP).picture()
    assert model.training and all(p.requires_grad for p in model.parameters())


def test_a_longer_video_has_a_first_frame_and_a_stride_and_a_short_one_says_that_it_is():
    explorer = SimilarityExplorer({"student": encoder()}, CLIP.repeat(1, 3, 1, 1), start=1)
    shown = {control.name for control in explorer.controls if control.shown(explorer.values)}
    assert {"start", "stride"} <= shown and "sample" not in shown
    assert (explorer.picture(start=2) != explorer.picture(start=0)).any()
    short = SimilarityExplorer({"student": encoder()}, {"long": CLIP, "short": CLIP[:, :3]})
    assert "1 times more" in short.facts(sample="short")["Clip"] and "Clip" not in short.facts()


def test_image_encoders_alone_and_a_single_step_are_shown_too():
    frames = SimilarityExplorer({"image teacher": image_encoder()}, CLIP, steps=4)
    assert frames.models.grid == TokenGrid(4, 2, 4) and frames.picture().size
    one = SimilarityExplorer({"student": encoder(TokenGrid(1, 3, 5))}, CLIP[:, :2])
    assert one.picture().size and one.facts()["pixels"] == "one step: nothing to compare"


def test_half_precision_models_give_nearly_the_same_maps():
    half = SimilarityExplorer({"student": encoder().half().float()}, CLIP)
    whole = SimilarityExplorer({"student": encoder()}, CLIP)
    maps = [one._rows(one.values).maps(2, (1, 1, 1), centred=True)["student"] for one in (half, whole)]
    assert np.allclose(*maps, atol=0.02)


def test_models_are_opened_from_folders_of_runs(tmp_path):
    options = {"size": "tiny", "frames": 4, "image": 16, "patch": 8}
    torch.manual_seed(0)
    checkpoints.save(tmp_path / "run", methods.create("videomae", **options), name="videomae", options=options)
    explorer = SimilarityExplorer({"a": tmp_path / "run", "b": str(tmp_path / "run"), "c": f"run:{tmp_path / 'run'}"})
    maps = explorer._rows(explorer.values).maps(1, (0, 0, 0), centred=True)
    assert (maps["a"] == maps["b"]).all() and (maps["a"] == maps["c"]).all()


def test_a_missing_model_or_clip_is_told_in_one_line_and_not_before_it_is_shown(tmp_path):
    explorer = SimilarityExplorer({"student": f"run:{tmp_path / 'nowhere'}"}, CLIP, row=9)
    for ask in (explorer.picture, explorer.facts, lambda: explorer.figure(**explorer.values)):
        with pytest.raises(CheckpointError, match="nowhere") as caught:
            ask()
        assert "\n" not in str(caught.value)
    lost = SimilarityExplorer({"student": encoder()}, tmp_path / "lost.mp4", layer=1, row=3)
    with pytest.raises(DataError, match=r"lost\.mp4"):
        lost.picture()
    lost.set(video=str(tmp_path / "other.mp4"))
    assert lost.values["row"] == 3 and lost.values["layer"] == 1
    with pytest.raises(DataError, match=r"other\.mp4"):
        lost.picture()


def test_wrong_values_are_refused_with_what_is_known(explorer):
    with pytest.raises(OptionError, match="'matched'"):
        explorer.picture(matrix="match")
    with pytest.raises(OptionError, match="row must be a whole number at least 1 and at most 3"):
        explorer.picture(row=4)
