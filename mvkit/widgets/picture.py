"""The picture of an explorer in the page: bytes in, clicks and keys out.

The page's side is `picture.js`, plain JavaScript that the notebook's front end loads from the kernel: no build, no
network.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anywidget
import traitlets


class Picture(anywidget.AnyWidget):
    """Shows an image file held in memory, words below it, and one line of trouble.

    Messages to `on_msg`, with pixels of the picture: {"type": "click", "x", "y"}, {"type": "drag", "points": [[x, y],
    ...]} where `paints`, {"type": "key", "name"}. In the page `.mvkit-picture` has `data-version`: which `version` has
    been decoded and painted.
    """

    _esm = Path(__file__).with_name("picture.js")
    _css = Path(__file__).with_name("picture.css")

    title = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)
    paints = traitlets.Bool().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)
    version = traitlets.Int().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    facts = traitlets.List().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
    told = traitlets.Unicode().tag(sync=True)

    def show(self, data: bytes, alt: str, facts: Mapping[str, str], code: str = "") -> None:
        """A new picture with its words, in one message to the page; trouble told before is over."""
        with self.hold_sync():
            self.data, self.alt, self.code = data, alt, code
            self.facts = [[label, text] for label, text in facts.items()]
            self.error = self.told = ""
            self.version += 1
