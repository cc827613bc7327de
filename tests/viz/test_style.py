from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mvkit import maskers
from mvkit.errors import OptionError
from mvkit.viz import style


def test_a_venue_has_its_printed_width_and_an_unknown_one_is_refused():
    assert style.width("cvpr-column") == 3.25
    with pytest.raises(OptionError, match="did you mean 'cvpr-column'"):
        style.width("cvpr-colum")


@pytest.mark.parametrize(
    ("asked", "venue"),
    [
        (("cvpr", "column"), "cvpr-column"),
        (("acm-mm", "full"), "acm-mm-full"),
        (("icml", "auto", "cvpr-column"), "icml-column"),
        (("neurips", "auto", "cvpr-column"), "neurips-full"),
        (("cvpr", "auto", "neurips-full"), "cvpr-full"),
        (("cvpr", "auto"), "cvpr-full"),
    ],
)
def test_a_venue_is_a_conference_and_a_width_of_it(asked, venue):
    assert style.venue(*asked) == venue


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("neurips", "column"), "neurips has no width 'column', only full"),
        (("cvpr", "half"), "cvpr has no width 'half', only column and full"),
        (("cvrp", "full"), "unknown conference 'cvrp'; did you mean 'cvpr'"),
    ],
)
def test_a_width_that_a_conference_lacks_is_refused(asked, message):
    with pytest.raises(OptionError, match=message):
        style.venue(*asked)


def test_the_same_thing_always_has_the_same_colour():
    assert style.colour("role", "hidden") == style.HIDDEN
    assert style.colour("masker", "a strategy of mine") == style.colour("masker", "a strategy of mine")
    with pytest.raises(OptionError, match="kind of colour"):
        style.colour("mood", "tube")


def test_the_table_of_strategies_has_no_stale_names_and_every_strategy_a_colour():
    assert set(style.MASKERS) <= set(maskers.available())
    assert all(to_rgb(style.colour("masker", name)) for name in maskers.available())


# Machado, Oliveira, Fernandes (2009): what deuteranopes and protanopes see of linear RGB.
VISION = {
    "common": np.eye(3),
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
}


def lab(colour: str, vision) -> np.ndarray:
    """CIELAB of a colour under D65 as it is seen."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.412, 0.358, 0.181], [0.213, 0.715, 0.072], [0.019, 0.119, 0.951]]) @ np.clip(
        np.array(vision) @ linear, 0, 1
    )
    f = np.cbrt(xyz / [0.951, 1, 1.089])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
def test_no_two_strategies_look_alike(vision):
    seen = {name: lab(style.colour("masker", name), VISION[vision]) for name in maskers.available()}
    alike = [(a, b) for a, b in combinations(seen, 2) if np.linalg.norm(seen[a] - seen[b]) < 12]
    assert not alike


def test_encoders_of_one_comparison_have_colours_of_their_own():
    shown = ["untrained", "VideoMAE", "MVD", "AMD", "MaskAgain", "UMT", "MAE"]
    assert len({style.colour("encoder", name) for name in shown}) == len(shown)


def test_the_width_of_a_text_is_what_is_drawn():
    fig = Figure(figsize=(4, 1), dpi=288)
    with style.applied():
        text = fig.text(0, 0.5, "seen by the encoder", fontsize=6.5)
        drawn = text.get_window_extent(FigureCanvasAgg(fig).get_renderer()).width / 288
        assert style.text_width("seen by the encoder", 6.5) == pytest.approx(drawn, abs=0.03)
        assert style.text_width("a\nseen by the encoder\n", 6.5) == style.text_width("seen by the encoder", 6.5)


def test_colours_differ_in_grey_from_the_grey_that_means_hidden():
    luma = {name: np.dot(to_rgb(name), (0.2126, 0.7152, 0.0722)) for name in (style.QUERY, style.BLACK, style.HIDDEN)}
    assert abs(luma[style.QUERY] - luma[style.HIDDEN]) > 0.25
    assert abs(luma[style.BLACK] - luma[style.HIDDEN]) > 0.25


def test_no_text_of_the_style_is_smaller_than_six_points():
    sizes = [style.STYLE[k] for k in ("font.size", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")]
    assert min(sizes) >= 6
