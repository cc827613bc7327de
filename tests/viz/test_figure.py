import json
import sys
from subprocess import run

import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import OptionError, RunError, ShapeError
from mvkit.viz import drawing
from mvkit.viz.figure import SavedFigure

RNG = np.random.default_rng(0)
T, H, W = 2, 3, 5  # tokens; 2 frames and 4 pixels each
CLIP = RNG.integers(0, 256, (2 * T, 4 * H, 4 * W, 3), dtype=np.uint8)
MAP = RNG.random((T, H, W)).astype(np.float32)
HOLED = np.where(RNG.random((T, H, W)) < 0.5, np.nan, MAP).astype(np.float32)
HOLED[0, 0, 0] = 0.5
LINE = np.arange(12, dtype=np.float32)

FIGURES = {
    "clips": lambda **k: viz.clips.strips(np.stack([CLIP] * 3), ["a", "b", "ç"], frames=2, **k),
    "masks": lambda **k: viz.masks.montage(
        CLIP,
        {"tube": (MAP > 0.5).astype(np.int8), "nested": (MAP * 3).astype(np.int8)},
        roles={"nested": ["hidden", "student", "teacher"]},
        statistics={"tube": {"ratio": 0.5, "step_min": 3.0, "step_max": 7.0, "place_leak": float("nan")}},
        **k,
    ),
    "nested": lambda **k: viz.masks.nested(CLIP, MAP[None] > 0.2, MAP[None] > 0.5, **k),
    "kept": lambda **k: viz.attention.kept(
        CLIP, {"global": HOLED, "local": HOLED > 0.7}, query=(0, 0, 0), values={"global": HOLED}, **k
    ),
    "sampled": lambda **k: viz.attention.sampled(CLIP, MAP[None], {"draw 1": MAP[None] > 0.3}, **k),
    "reconstruction": lambda **k: viz.reconstruction.panels(
        CLIP[None], MAP[None] > 0.5, {"model": CLIP[None] // 2}, scores={"model": "12.0 dB"}, names=["one"], **k
    ),
    "attention": lambda **k: viz.attention.query_maps(CLIP, {"all": MAP, "masked": HOLED}, (0, 0, 0), **k),
    "tracking": lambda **k: viz.similarity.query_maps(CLIP, {"pixels": MAP - 0.5}, (1, 2, 4), **k),
    "matrices": lambda **k: viz.similarity.matrices(
        {"a": MAP[0, :, :3]}, {"a": LINE[:3], "control": LINE[:3] * 0}, **k
    ),
    "static": lambda **k: viz.similarity.matrices(
        {"image teacher": MAP[0, :, :3], "MVD": -MAP[0, :, :3]},
        {"image teacher": LINE[:3], "MVD": LINE[:3]},
        static={"MVD": MAP[0, :, :3]},
        static_curves={"MVD": LINE[:3]},
        **k,
    ),
    "parts": lambda **k: viz.curves.parts(LINE, 1 / (1 + LINE), {"direct": LINE, "pixels": LINE / 1e3}, **k),
    "diagram": lambda **k: viz.diagram.method(
        viz.diagram.of([("clip", "(B, 3)", "input", 0, 0), ("loss", "", "loss", 1, 1)], [("clip", "loss", True)]), **k
    ),
    "training": lambda **k: viz.curves.training(
        LINE,
        1 / (1 + LINE),
        rate=LINE,
        monitors={"motion": np.stack([LINE, LINE / 12], 1)},
        chance={"motion": 0.1},
        **k,
    ),
    "scores": lambda **k: viz.scores.comparison(
        {"kNN": {"untrained": LINE[:2] / 10, "trained": LINE[2:3] / 10}}, chance={"kNN": 0.1}, **k
    ),
}


def saved(name: str, folder, **options) -> SavedFigure:
    fig, data = FIGURES[name](**options)
    return viz.save(
        fig, name, folder, data=data, caption=f"A caption of {name}, ×2.", facts={"seed": 3, "masker": "T()"}
    )


@pytest.mark.parametrize("name", FIGURES)
def test_saving_twice_gives_the_same_bytes_and_rebuilding_gives_them_again(name, tmp_path):
    first, second = saved(name, tmp_path / "a"), saved(name, tmp_path / "b")
    again = viz.rebuild(first.json, tmp_path / "c")
    assert again.same_bytes
    for kind in ("pdf", "png", "npz", "json"):
        content = {getattr(one, kind).read_bytes() for one in (first, second, again)}
        assert len(content) == 1, kind
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("name", FIGURES)
def test_a_saved_figure_prints_and_can_be_read_aloud(name, tmp_path):
    figure = saved(name, tmp_path, venue="cvpr-column")
    raw = figure.pdf.read_bytes()
    assert b"/Type3" not in raw and b"/CIDFontType2" in raw
    assert b"CreationDate" not in raw
    assert figure.record["size_inches"][0] <= 3.25 + 1e-6
    assert len(figure.record["alt"]) > 20 and figure.record["caption"].startswith("A caption")
    html = figure._repr_html_()
    assert "data:image/png;base64," in html and "alt=" in html and "http" not in html


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_below_six_points_or_leaves_the_page(name):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    fig, _ = FIGURES[name](venue="cvpr-full")
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    assert min(text.get_fontsize() for text in fig.findobj(Text)) >= 6
    page, drawn = fig.get_size_inches(), fig.get_tightbbox(canvas.get_renderer())
    assert min(drawn.x0, drawn.y0) >= -0.01 and drawn.x1 <= page[0] + 0.01 and drawn.y1 <= page[1] + 0.01
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in fig.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_the_record_says_what_was_drawn(tmp_path):
    figure = saved("attention", tmp_path)
    record = json.loads(figure.json.read_text())
    assert record["function"] == "attention.query_maps"
    assert record["parameters"]["query"] == [0, 0, 0]
    assert record["seed"] == 3 and record["facts"]["masker"] == "T()"
    assert record["colour_limits"]["attention"][0] == 0
    with np.load(figure.npz) as arrays:
        assert np.array_equal(arrays["clip"], CLIP)
        assert np.array_equal(arrays["maps/masked"], HOLED, equal_nan=True)


def test_rebuilding_needs_neither_torch_nor_the_drawing_cell(tmp_path):
    figure = saved("masks", tmp_path)
    code = (
        f"import sys; from mvkit.viz.figure import rebuild; r = rebuild({str(figure.json)!r}); "
        "sys.exit(0 if r.same_bytes and 'torch' not in sys.modules else 1)"
    )
    assert run([sys.executable, "-c", code]).returncode == 0


def test_a_figure_is_redrawn_for_another_venue_not_scaled(tmp_path):
    figure = saved("training", tmp_path)
    large = viz.rebuild(figure.json, tmp_path / "large", venue="neurips-full")
    assert (figure.record["size_inches"][0], large.record["size_inches"][0]) == (3.25, 5.5)
    assert json.loads(large.json.read_text())["venue"] == "neurips-full"
    assert viz.rebuild(large.json, tmp_path / "again").same_bytes
    with pytest.raises(OptionError, match="unknown venue"):
        viz.rebuild(figure.json, venue="cvpr")


def test_a_changed_picture_is_noticed_on_rebuild(tmp_path):
    figure = saved("clips", tmp_path)
    with np.load(figure.npz) as arrays:
        other = {"clips": 255 - arrays["clips"]}
    np.savez_compressed(figure.npz, **other)
    assert not viz.rebuild(figure.json, tmp_path / "b").same_bytes


def test_saving_refuses_a_figure_nobody_could_understand(tmp_path):
    fig, data = FIGURES["clips"]()
    with pytest.raises(RunError, match="caption"):
        viz.save(fig, "clips", tmp_path, data=data, caption=" ")
    with pytest.raises(RunError, match="plain file name"):
        viz.save(fig, "../clips", tmp_path, data=data, caption="Clips.")


def test_rebuilding_without_the_data_names_what_is_missing(tmp_path):
    figure = saved("clips", tmp_path)
    figure.npz.unlink()
    with pytest.raises(RunError, match="keep NAME"):
        viz.rebuild(figure.json)


def test_a_drawing_is_found_by_name_and_an_unknown_one_lists_the_known():
    assert drawing.find("masks.montage") is viz.masks.montage
    with pytest.raises(OptionError, match="known: montage"):
        drawing.find("masks.montages")
    with pytest.raises(OptionError, match="unknown module"):
        drawing.find("os.remove")


def test_clips_come_as_floats_or_as_frames_and_nothing_else():
    floats = np.moveaxis(CLIP, -1, 0).astype(np.float32) / 255
    assert np.array_equal(drawing.as_frames(floats), CLIP)
    with pytest.raises(ShapeError, match="must be float"):
        drawing.as_frames(CLIP[..., 0])


def test_what_cannot_be_recorded_is_refused():
    with pytest.raises(OptionError, match="cannot be recorded"):
        viz.clips.strips(CLIP[None], [object()])  # type: ignore[list-item]
