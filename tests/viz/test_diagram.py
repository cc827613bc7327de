from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyBboxPatch

from mvkit import viz
from mvkit.errors import OptionError, ShapeError
from mvkit.viz import style
from mvkit.viz.diagram import Box, _arranged, of, shape_of
from mvkit.viz.routes import _crosses, route

# MVD's real graph: two teachers, two decoders, arrows that skip columns and share ends.
DIAGRAM = of(
    [
        ("clip", "(B, 3, 16, 224, 224)", "input", 1, 0),
        ("tube mask", "160 of 1568 visible", "mask", 0, 1),
        ("student", "(B, 160, 384)", "student", 1, 2),
        ("image teacher", "MAE, even frames\n(B, 1568, 768)", "teacher", 2, 2),
        ("video teacher", "(B, 1568, 768)", "teacher", 3, 2),
        ("image decoder", "(B, 1408, 768)", "decoder", 0, 3),
        ("video decoder", "(B, 1408, 768)", "decoder", 1, 3),
        ("image loss", "smooth L1", "loss", 2, 4),
        ("video loss", "smooth L1", "loss", 3, 4),
    ],
    [
        ("clip", "student"),
        ("tube mask", "student"),
        ("clip", "image teacher"),
        ("clip", "video teacher"),
        ("student", "image decoder"),
        ("student", "video decoder"),
        ("image decoder", "image loss"),
        ("video decoder", "video loss"),
        ("image teacher", "image loss", True),
        ("video teacher", "video loss", True),
    ],
)
BOXES = list(DIAGRAM.boxes)
VENUES = ["cvpr-column", "cvpr-full", "neurips-full", "acm-mm-column"]


@pytest.mark.parametrize("venue", VENUES)
def test_every_text_stays_in_its_box_and_boxes_and_texts_never_touch(venue):
    fig, _ = viz.diagram.method(DIAGRAM, venue=venue)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    axes, drawer = fig.axes[0], canvas.get_renderer()
    texts = [text.get_window_extent(drawer) for text in axes.texts]
    assert not any(a.overlaps(b) for a, b in combinations(texts, 2))
    frames = [
        p.get_window_extent(drawer) for p in axes.patches if isinstance(p, FancyBboxPatch) and p.get_zorder() == 3
    ]
    assert len(frames) == len(BOXES) and not any(a.overlaps(b) for a, b in combinations(frames, 2))
    for text in texts:
        inside = [frame for frame in frames if frame.overlaps(text)]
        for frame in inside:
            assert frame.x0 < text.x0 and text.x1 < frame.x1 and frame.y0 < text.y0 and text.y1 < frame.y1
    page = fig.bbox
    assert all(page.x0 <= text.x0 and text.x1 <= page.x1 and text.y0 >= page.y0 for text in texts)
    assert fig.get_size_inches()[0] <= style.width(venue) + 1e-6


@pytest.mark.parametrize("venue", VENUES)
def test_no_arrow_runs_through_a_box_it_does_not_join(venue):
    with style.applied():
        upright, _, places, *_ = _arranged(BOXES, style.width(venue))
    ways = []
    for arrow in DIAGRAM.arrows:
        ways.append(route(places, arrow.start, arrow.end, arrow.dashed, upright=upright, taken=ways))
        for p, q in pairwise(ways[-1].points):
            assert p[0] == q[0] or p[1] == q[1], "arrows turn at right angles"
            crossed = [name for name in places if _crosses(p, q, places[name], 0.0)]
            assert set(crossed) <= {arrow.start, arrow.end}


def test_a_narrow_page_turns_the_flow_down_instead_of_squeezing_it():
    wide, narrow = (viz.diagram.method(DIAGRAM, venue=venue)[0].get_size_inches() for venue in VENUES[1::-1])
    assert wide[0] > wide[1] and narrow[1] > narrow[0]


def test_what_no_page_can_hold_is_refused():
    many = of([(f"a part {n}", "(B, 1568, 768)", "student", n, 0) for n in range(12)], [])
    assert viz.diagram.method(many)[0]
    crowd = of([(f"a part {r} {c}", "(B, 1568, 768)", "student", r, c) for r in range(12) for c in range(12)], [])
    with pytest.raises(OptionError, match="inches, cvpr-column has"):
        viz.diagram.method(crowd, venue="cvpr-column")


def test_unknown_kinds_ends_and_shared_places_are_refused():
    with pytest.raises(OptionError, match="unknown kind of box"):
        viz.diagram.method(of([("a", "", "studnt", 0, 0)], []))
    with pytest.raises(OptionError, match="end of an arrow"):
        viz.diagram.method(of([("a", "", "student", 0, 0)], [("a", "b")]))
    with pytest.raises(ShapeError, match="places of their own"):
        viz.diagram.method(replace(DIAGRAM, boxes=[*BOXES, Box("more", "", "loss", 1, 0)]))


def test_a_shape_is_written_with_the_batch_as_a_letter():
    assert shape_of((4, 160, 384)) == "(B, 160, 384)"
