"""One look for every figure: sizes, fonts, and the same colour for the same thing everywhere.

Colours are Okabe and Ito's, which people with the common colour deficiencies tell apart; meaning never hangs on hue
alone (hidden is grey, a query has an outline, series differ in line style too). Figures are drawn at the size they
are printed, so text of 6.5 pt here is 6.5 pt on the page. The font is the one matplotlib ships: same bytes anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from zlib import crc32

import matplotlib.style as mpl_style
from matplotlib.colors import to_hex, to_rgb
from matplotlib.textpath import TextPath

from mvkit.errors import OptionError, unknown

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
OKABE_ITO = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, YELLOW, BLACK)

HIDDEN = "#808080"  # a token hidden from the encoder
EMPTY = "#E6E6E6"  # nothing to show here, drawn with a hatch
QUERY = YELLOW  # always inside a black casing

# Signed values stand between limits of equal size: zero is grey, below it blue and darker, above it yellow and lighter,
# so that the sign is told in grey too. A red and a blue end would print alike.
MAPS = {"error": "magma", "attention": "viridis", "similarity": "cividis", "signed": "cividis"}

# Printed widths in inches: author kits of CVPR/ICCV/WACV, acmart sigconf, ICML, AAAI, NeurIPS; A4 and screen last.
VENUES = {
    "cvpr-column": 3.25, "cvpr-full": 6.875, "iccv-column": 3.25, "iccv-full": 6.875,
    "acm-mm-column": 3.337, "acm-mm-full": 7.006, "icml-column": 3.25, "icml-full": 6.75,
    "aaai-column": 3.3, "aaai-full": 6.975, "neurips-full": 5.5,
}  # fmt: skip
PAGE = 8.875  # inches of text height of a CVPR page; the other kits have as much or more

ROLES = {
    "visible": BLUE, "hidden": HIDDEN, "encoder": BLUE, "decoder": ORANGE, "student": BLUE, "teacher": GREEN,
    "extra": GREEN, "target": ORANGE, "context": BLUE, "second": VERMILION, "before": HIDDEN, "after": BLUE,
    "short": BLUE, "short_target": ORANGE, "long": SKY, "long_target": VERMILION,
    "untrained": HIDDEN, "trained": BLUE, "control": BLACK, "chance": BLACK,
    "appearance": ORANGE, "motion": BLUE, "pixels": VERMILION, "shuffled": PURPLE, "static": BLACK,
    "image_teacher": ORANGE, "video_teacher": GREEN, "input": BLACK, "mask": HIDDEN, "loss": VERMILION,
    "global": ORANGE, "local": SKY, "output": PURPLE,
}  # fmt: skip
METHODS = {
    "mae": SKY,
    "videomae": BLUE,
    "mvd": GREEN,
    "amd": ORANGE,
    "maskagain": VERMILION,
    "umt": PURPLE,
    "umt_vl": YELLOW,
}
# A colour each. Beyond the first seven, Okabe and Ito's set is used up: the rest are light or dark ones that stay
# apart from it and from each other for the three kinds of colour vision (CIELAB distance of at least 12).
MASKERS = {
    "random": ORANGE, "tube": BLUE, "frame": SKY, "multi_block": PURPLE, "motion": VERMILION, "nested": GREEN,
    "attention": YELLOW, "random_frame": "#542B00", "block": "#542B54", "cube": "#6B5B00", "cube_frame": "#2828A0",
    "cell": "#ABF2F2",
    "flow": "#000054", "dual": "#DCD0FF", "everest": "#FFB0A0", "noise": "#4A4AF2", "unit": "#004D40",
    "profile": "#D4F2AB", "none": "#C0C0C0", "full": BLACK,
}  # fmt: skip
KINDS = {"role": ROLES, "method": METHODS, "masker": MASKERS, "encoder": ROLES | METHODS}
DASHES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1, 1, 1)))

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "figure.titlesize": 7.5,
    "axes.linewidth": 0.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.minor.size": 1,
    "ytick.minor.size": 1,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "axes.labelpad": 2,
    "axes.titlepad": 3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.0,
    "lines.markersize": 3,
    "hatch.linewidth": 0.3,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "image.interpolation": "nearest",
    "savefig.dpi": 300,
    "figure.dpi": 150,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "mvkit",
}


@contextmanager
def applied() -> Iterator[None]:
    """Draw and save inside this: the style on top of matplotlib's own defaults, whatever the user's settings are."""
    with mpl_style.context(["default", STYLE]):
        yield


def venue(kit: str, width: str = "auto", drawn: str = "") -> str:
    """A name of VENUES from a conference and a width, column or full.

    auto: the width of the venue `drawn`, or the only one there is. Raises OptionError for a width a conference lacks.
    """
    widths = {name.rpartition("-")[2] for name in VENUES if name.rpartition("-")[0] == kit}
    if not widths:
        raise OptionError(unknown("conference", kit, {name.rpartition("-")[0] for name in VENUES}))
    if width == "auto":
        width = drawn.rpartition("-")[2]
        width = width if width in widths else max(widths)  # "full" comes last
    if width not in widths:
        raise OptionError(f"{kit} has no width '{width}', only {' and '.join(sorted(widths))}")
    return f"{kit}-{width}"


def width(venue: str) -> float:
    """Printed width in inches. Raises OptionError for a venue it does not know."""
    if venue not in VENUES:
        raise OptionError(unknown("venue", venue, VENUES))
    return VENUES[venue]


def colour(kind: str, name: str) -> str:
    """The colour of a thing: kind role, method, masker or encoder (a role or a method), "Image teacher" as
    "image_teacher". A name outside the tables always gets the same one too. Raises OptionError."""
    if kind not in KINDS:
        raise OptionError(unknown("kind of colour", kind, KINDS))
    return KINDS[kind].get(name.lower().replace(" ", "_").replace("-", "_")) or OKABE_ITO[crc32(name.encode()) % 6]


def light(colour: str) -> str:
    """A pale tone of a colour, for areas that something dark is drawn on."""
    red, green, blue = to_rgb(colour)
    return to_hex(((1 + red) / 2, (1 + green) / 2, (1 + blue) / 2))


def dashes(count: int) -> list:
    """Line styles for `count` series, so that a grey print still tells them apart."""
    return [style for _, style in zip(range(count), cycle(DASHES), strict=False)]


def text_width(words: str, size: float = 7) -> float:
    """Inches that words take in this font, `size` in points; of several lines, the longest."""
    return (
        max(TextPath((0, 0), line, size=size).get_extents().x1 if line.strip() else 0 for line in words.split("\n"))
        / 72
    )
