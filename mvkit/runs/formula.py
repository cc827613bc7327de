"""TeX formulas as pictures in the page: matplotlib's mathtext, so that a report needs no MathJax from the network."""

import re
from base64 import b64encode
from functools import lru_cache
from html import escape
from io import BytesIO

_SIZE = 12.0  # points: the text size of the report
_BLOCK_SIZE = 15.0  # mathtext sets fractions of a displayed formula as small as inline ones


@lru_cache(maxsize=512)
def formula(tex: str, *, block: bool = False) -> str:
    """An inline or centred image with the TeX as its alternative text; what mathtext cannot set stays as TeX text."""
    source = " ".join(tex.split())
    picture = _draw(source, _BLOCK_SIZE if block else _SIZE)
    if picture is None:
        tag = f'<code class="tex">{escape(source)}</code>'
    else:
        svg, depth = picture
        data = b64encode(svg).decode()
        tag = (
            f'<img class="tex" alt="{escape(source)}" style="vertical-align:{-depth:.2f}pt" '
            f'src="data:image/svg+xml;base64,{data}">'
        )
    return f'<span class="tex">{tag}</span>' if block else tag


def _draw(source: str, size: float) -> tuple[bytes, float] | None:
    """SVG bytes and the depth below the baseline in points; None where mathtext does not know a command."""
    from matplotlib import RcParams, rc_context
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import math_to_image

    source = re.sub(r"\\(?:text|textrm|textbf|mathrm|operatorname)\{([^{}]*)\}", r"\\mathrm{\1}", source)
    buffer = BytesIO()
    settings = RcParams({"svg.fonttype": "path", "svg.hashsalt": "mvkit", "mathtext.fontset": "cm"})
    try:
        with rc_context(settings):
            depth = math_to_image(f"${source}$", buffer, prop=FontProperties(size=size), dpi=72, format="svg")
    except ValueError:
        return None
    return re.sub(rb"<metadata>.*?</metadata>", b"", buffer.getvalue(), flags=re.DOTALL), float(depth)
