import numpy as np
import pytest
from matplotlib.figure import Figure

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.marks import border, enlarge, tint


def test_enlarging_repeats_tokens_and_refuses_pixels_that_do_not_divide():
    assert enlarge(np.array([[1, 2]]), 2, 4).tolist() == [[1, 1, 2, 2]] * 2
    with pytest.raises(ShapeError, match="do not divide"):
        enlarge(np.array([[1, 2]]), 2, 5)


def test_tint_mixes_and_covers():
    picture = np.full((1, 2, 3), 100, np.uint8)
    where = np.array([[True, False]])
    assert tint(picture, where, "#FFFFFF", 0.5)[0].tolist() == [[178] * 3, [100] * 3]
    assert tint(picture, where, style.BLACK, 1.0)[0, 0].tolist() == [0, 0, 0]


def test_a_border_runs_around_a_region_and_not_through_it():
    axes = Figure().add_subplot()
    border(axes, np.array([[True, True, False]]), "red")
    (lines,) = axes.collections
    edges = {tuple(map(tuple, np.round(np.asarray(path.vertices), 3))) for path in lines.get_paths()}
    assert len(edges) == 6  # two above, two below, one at each end
    assert ((0.333, 0.0), (0.333, 1.0)) not in edges and ((0.667, 0.0), (0.667, 1.0)) in edges
