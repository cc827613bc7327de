import json
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from shutil import which
from subprocess import run

import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import OptionError, RunError, ShapeError
from mvkit.inspect.embedding import Embedding
from mvkit.inspect.queries import Query
from mvkit.inspect.told import Told
from mvkit.plugins import available
from mvkit.viz import (
    bands,
    captions,
    cost,
    dashboard,
    drawing,
    embedding,
    features,
    gallery,
    heads,
    hidden_words,
    lags,
    layers,
)
from mvkit.viz.figure import SavedFigure

FACTS = {"run": "00_quickstart/0123456789", "seed": 3, "masker": "T()"}
RNG = np.random.default_rng(0)
T, H, W = 2, 3, 5  # tokens; 2 frames and 4 pixels each
CLIP = RNG.integers(0, 256, (2 * T, 4 * H, 4 * W, 3), dtype=np.uint8)
MAP = RNG.random((T, H, W)).astype(np.float32)
HOLED = np.where(RNG.random((T, H, W)) < 0.5, np.nan, MAP).astype(np.float32)
HOLED[0, 0, 0] = 0.5
LINE = np.arange(12, dtype=np.float32)
RUNS = np.stack([LINE, LINE / 12, LINE / 6], 1)
NUMBERS = {"ratio": 0.5, "count_min": 15.0, "count_max": 16.0, "place_leak": 0.25, "motion_lift": 1.5}
PROFILE = {"positional_map": MAP, "visible_per_step": LINE[:T], "rho_space": 1 - LINE[:H] / 9, "rho_time": LINE[:T]}

FIGURES = {
    "bars": lambda **k: viz.benchmarks.bars(
        {"fp32": {"small": np.array([0.6, 0.5, 0.7]), "base": np.array([0.4, 0.3, 0.45])}}, what="share", **k
    ),
    "growth": lambda **k: viz.benchmarks.growth(
        {"batch": {"values": np.array([1.0, 2, 4]), "time": np.array([30.0, 20, 10])}}, **k
    ),
    "hidden_words": lambda **k: hidden_words.filled(
        np.stack([CLIP] * 2),
        [
            {"words": ["a", "red", "square"], "read": ["a", "[MASK]", "[MASK]"], "guessed": ["", "red", "star"]},
            {"words": ["moves", "up"], "read": ["moves", "ring"], "guessed": ["", "up"]},
        ],
        **k,
    ),
    "stills": lambda **k: gallery.stills(
        {"best": Query("a square moves up", 1, 9, (4, 2), (1, 2), (0.75, 0.5), (True, False))},
        {"best": np.stack([CLIP] * 2)},
        **k,
    ),
    "intervals": lambda **k: viz.outcome.intervals(
        {"all": {"clip": np.array([0.5, 0.4, 0.6]), "one frame": np.array([0.2, 0.1, 0.3])}}, **k
    ),
    "efficiency": lambda **k: viz.outcome.efficiency(
        {"probe": {"clip": np.array([[1, 0.2, 0.1, 0.3], [4, 0.5, 0.4, 0.6]])}}, **k
    ),
    "verdicts": lambda **k: viz.verdicts.examples(
        {"surest wrong": [Told(CLIP, "which way does it go", "up", "left", 0.8, 0.1, False)]}, **k
    ),
    "detections": lambda **k: viz.detections.examples(
        np.stack([CLIP] * 2),
        [
            {
                "boxes": np.array([[0.1, 0.2, 0.5, 0.9]]),
                "said": ["left 0.91"],
                "true": ["left"],
                "right": np.array([True]),
                "missed": np.zeros((0, 4)),
            }
        ]
        * 2,
        ["best"],
        **k,
    ),
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
    "paired": lambda **k: viz.scores.paired(
        {"kNN motion": {"VideoMAE": LINE[:3] / 10, "MVD": LINE[1:4] / 10}}, "VideoMAE", "MVD", **k
    ),
    "cost": lambda **k: cost.accuracy(
        {"short": RUNS[:1, 1:] + 1, "long": RUNS[1:, :2] + 2}, series={"short": "MVD", "long": "MVD"}, chance=0.1, **k
    ),
    "bands": lambda **k: bands.seeds(
        {"loss": {"MVD": RUNS, "AMD": RUNS + 1}, "motion": {"MVD": RUNS / 20}},
        chance={"motion": 0.1},
        log=["loss"],
        **k,
    ),
    "dashboard": lambda **k: dashboard.masks(
        {"Tube": NUMBERS, "None": NUMBERS | {"place_leak": float("nan")}},
        {"Tube": PROFILE, "None": PROFILE},
        keys={"Tube": "tube"},
        **k,
    ),
    "embedding": lambda **k: embedding.clips(
        {"MVD": Embedding(RUNS[:, :2], np.arange(len(RUNS)) % 2, 0.5, 0.25, 0.5)}, ["circle", "square"], **k
    ),
    "captions": lambda **k: captions.similarity(CLIP[:2, None], ["a square", "a circle"], MAP[0, :2, :2], **k),
    "features": lambda **k: features.maps(CLIP, {"teacher": np.stack([HOLED] * 3, -1)}, **k),
    "heads": lambda **k: heads.grid(CLIP, {"block 1": MAP[None], "block 2": HOLED[None]}, (0, 0, 0), **k),
    "distances": lambda **k: heads.distances({"MVD": {"space": MAP[0, :, :2], "time": MAP[1, :, :2]}}, **k),
    "lags": lambda **k: lags.curves({"MVD": MAP[0], "pixels": MAP[1]}, static={"MVD": MAP[1]}, **k),
    "layers": lambda **k: layers.matrices(
        {"teacher": MAP[0]}, rows=[1, 2, 3], columns={"teacher": [2, 4, 6, 8, 10]}, trained={"teacher": [[3, 10]]}, **k
    ),
}


def drawings() -> set[str]:
    """Every drawing function that mvkit.viz has, as "module.name"."""
    rooms = {room: import_module(f"mvkit.viz.{room}") for room in available("mvkit.viz")}
    return {
        f"{room}.{name}"
        for room, module in rooms.items()
        for name, value in vars(module).items()
        if getattr(value, "is_drawing", False)
    }


def test_no_drawing_is_left_out_of_the_figures_tested_here():
    assert {draw()[1].function for draw in FIGURES.values()} == drawings()


def saved(name: str, folder, **options) -> SavedFigure:
    fig, data = FIGURES[name](**options)
    return viz.save(fig, name, folder, data=data, caption=f"A caption of {name}, ×2.", facts=FACTS)


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
    assert set(re.findall(rb"/Subtype /(Type[013]|TrueType|CIDFontType\d)\b", raw)) == {b"Type0", b"CIDFontType2"}
    assert b"/FontFile2" in raw and b"CreationDate" not in raw
    assert figure.record["size_inches"][0] <= 3.25 + 1e-6
    assert len(figure.record["alt"]) > 20 and figure.record["caption"].startswith("A caption")
    html = figure._repr_html_()
    assert "data:image/png;base64," in html and "alt=" in html and "http" not in html


@pytest.mark.parametrize("venue", ["cvpr-column", "cvpr-full", "neurips-full"])
@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_below_six_points_or_leaves_the_page(name, venue):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    fig, _ = FIGURES[name](venue=venue)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    assert min(float(text.get_fontsize()) for text in fig.findobj(Text)) >= 6
    page, drawn = fig.get_size_inches(), fig.get_tightbbox(canvas.get_renderer())
    assert min(drawn.x0, drawn.y0) >= -0.01 and drawn.x1 <= page[0] + 0.01 and drawn.y1 <= page[1] + 0.01
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in fig.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.skipif(not which("pdffonts") or not which("pdfimages"), reason="poppler-utils is not installed")
@pytest.mark.parametrize("name", ["masks", "attention", "training"])
def test_poppler_finds_true_type_fonts_alone_and_pictures_of_300_dpi(name, tmp_path):
    figure = saved(name, tmp_path, venue="cvpr-column")
    fonts = run(["pdffonts", figure.pdf], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert fonts and all("CID TrueType" in line and line.split()[-5:-2] == ["yes"] * 3 for line in fonts)
    images = run(["pdfimages", "-list", figure.pdf], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert bool(images) == (name != "training")
    columns = [line.split() for line in images]
    # The side of a small picture is a whole number of pixels: a colour bar of 0.07 inches may be off by a twentieth.
    assert all(abs(int(row[at]) - 300) <= 15 for row in columns for at in (12, 13))


def test_another_process_place_time_zone_language_and_settings_give_the_same_bytes_without_torch(tmp_path):
    for name in FIGURES:
        saved(name, tmp_path / "a")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "matplotlibrc").write_text("font.size: 20\nsavefig.dpi: 50\npdf.fonttype: 3\npdf.compression: 0\n")
    code = (
        "import sys; from mvkit.viz.figure import rebuild; from mvkit.viz.saved import below\n"
        f"found = [rebuild(one.json, {str(tmp_path / 'b')!r}) for one in below({str(tmp_path / 'a')!r})]\n"
        "print(len(found), [one.json.stem for one in found if not one.same_bytes], 'torch' in sys.modules)"
    )
    world = {"TZ": "Pacific/Chatham", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "7"}
    env = {**os.environ, **world, "SOURCE_DATE_EPOCH": "1", "PYTHONPATH": str(Path(viz.__file__).parents[2])}
    done = run([sys.executable, "-c", code], cwd=elsewhere, env=env, capture_output=True, text=True)
    assert done.stdout.split("\n")[0] == f"{len(FIGURES)} [] False", done.stderr
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_the_record_says_what_was_drawn(tmp_path):
    figure = saved("attention", tmp_path)
    record = json.loads(figure.json.read_text())
    assert record["function"] == "attention.query_maps"
    assert record["parameters"]["query"] == [0, 0, 0]
    assert record["seed"] == 3 and record["facts"]["masker"] == "T()"
    assert record["runs"] == ["00_quickstart/0123456789"]
    assert record["colour_limits"]["attention"][0] == 0
    with np.load(figure.npz) as arrays:
        assert np.array_equal(arrays["clip"], CLIP)
        assert np.array_equal(arrays["maps/masked"], HOLED, equal_nan=True)


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
    other = viz.rebuild(figure.json, tmp_path / "b")
    assert not other.same_bytes and other.cause == "clips.npz was changed since"


def test_in_place_a_picture_that_would_differ_is_left_as_it_is_and_the_cause_is_said(tmp_path):
    figure = saved("scores", tmp_path)
    record = json.loads(figure.json.read_text())
    record["sha256"]["pdf"] = "0"
    record["versions"]["matplotlib"] = "3.9.0"
    figure.json.write_text(json.dumps(record))
    figure.pdf.write_bytes(b"printed long ago")
    again = viz.rebuild(figure.json)
    assert not again.same_bytes and again.cause.startswith("matplotlib 3.9.0 then, ")
    assert figure.pdf.read_bytes() == b"printed long ago" and json.loads(figure.json.read_text()) == record
    elsewhere = viz.rebuild(figure.json, tmp_path / "b")
    assert not elsewhere.same_bytes and viz.rebuild(elsewhere.json).same_bytes


def test_in_place_a_lost_picture_comes_back(tmp_path):
    figure = saved("scores", tmp_path)
    first = figure.pdf.read_bytes()
    figure.pdf.unlink()
    assert viz.rebuild(figure.json).same_bytes and figure.pdf.read_bytes() == first


def test_a_figure_longer_than_a_page_is_not_redrawn_for_it(tmp_path):
    fig, data = features.maps(CLIP, {f"layer {n}": np.stack([MAP] * 3, -1) for n in range(30)})
    figure = viz.save(fig, "long", tmp_path, data=data, caption="Too long.")
    with pytest.raises(OptionError, match=r"in tall for cvpr-full, a page has 8.875"):
        viz.rebuild(figure.json, tmp_path / "b", venue="cvpr-full")
    assert not (tmp_path / "b").exists()


def test_a_record_that_does_not_fit_its_drawing_any_more_is_one_line(tmp_path):
    figure = saved("scores", tmp_path)
    record = json.loads(figure.json.read_text())
    figure.json.write_text(json.dumps(record | {"parameters": record["parameters"] | {"old": 1}}))
    with pytest.raises(OptionError, match=r"scores.comparison cannot be drawn from what is recorded: .*'old'"):
        viz.rebuild(figure.json)


def test_a_record_is_strict_json_and_keeps_what_json_has_no_word_for(tmp_path):
    figure = saved("masks", tmp_path)

    def refuse(word: str):
        raise AssertionError(word)

    kept = json.loads(figure.json.read_text(), parse_constant=refuse)
    assert '{"number": "nan"}' in json.dumps(kept["parameters"]["statistics"])
    assert viz.rebuild(figure.json).same_bytes


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
