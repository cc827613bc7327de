import numpy as np
import pytest
from matplotlib.colors import to_rgb

from mvkit import maskers
from mvkit.errors import OptionError
from mvkit.viz import style


def test_a_venue_has_its_printed_width_and_an_unknown_one_is_refused():
    assert style.width("cvpr-column") == 3.25
    with pytest.raises(OptionError, match="did you mean 'cvpr-column'"):
        style.width("cvpr-colum")


def test_the_same_thing_always_has_the_same_colour():
    assert style.colour("role", "hidden") == style.HIDDEN
    assert style.colour("masker", "a strategy of mine") == style.colour("masker", "a strategy of mine")
    with pytest.raises(OptionError, match="kind of colour"):
        style.colour("mood", "tube")


def test_the_table_of_strategies_has_no_stale_names_and_every_strategy_a_colour():
    assert set(style.MASKERS) <= set(maskers.available())
    assert all(to_rgb(style.colour("masker", name)) for name in maskers.available())


def test_colours_differ_in_grey_from_the_grey_that_means_hidden():
    luma = {name: np.dot(to_rgb(name), (0.2126, 0.7152, 0.0722)) for name in (style.QUERY, style.BLACK, style.HIDDEN)}
    assert abs(luma[style.QUERY] - luma[style.HIDDEN]) > 0.25
    assert abs(luma[style.BLACK] - luma[style.HIDDEN]) > 0.25


def test_no_text_of_the_style_is_smaller_than_six_points():
    sizes = [style.STYLE[k] for k in ("font.size", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")]
    assert min(sizes) >= 6
