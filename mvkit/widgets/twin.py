"""The static twin of an explorer: its picture at every position of one slider, made beforehand.

A notebook's output holds it beside the live panel, so each viewer takes what it can: JupyterLab the panel, a
code-hosting page the PNG, `report.html` the frames with a slider of their own that needs no kernel and no network.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from mvkit.errors import MvkitError
from mvkit.widgets.canvas import encode
from mvkit.widgets.controls import Control
from mvkit.widgets.explorer import Explorer

MIME = "application/vnd.mvkit.twin+json"
FRAMES, BYTES = 24, 750_000  # at most, of all frames together; base64 makes a megabyte of it
QUALITIES = (80, 65, 50, 35)
FEWEST = 6  # frames that a slider should have, whatever they weigh


def twin(explorer: Explorer) -> dict[str, Any] | None:
    """The frames of `explorer.twin_control` as plain JSON, None where fewer than two can be drawn.

    control, label, title; values: one text a frame; frames: base64 of files of `kind`; alts: each frame in words;
    start: index of the explorer's own value. A value that cannot be drawn is left out.
    """
    control = next((c for c in explorer.controls if c.name == explorer.twin_control), None)
    if control is None:
        return None
    now = explorer.values[control.name]
    first = explorer.picture()
    quality, count = _fitting(first)
    kept: list[tuple[Any, str, str]] = []
    for value in positions(control, now, count):
        try:
            picture = first if value == now else explorer.picture(**{control.name: value})
            words = explorer.alt(explorer.facts(**{control.name: value}))
        except MvkitError:
            continue
        kept.append((value, b64encode(encode(picture, kind="webp", quality=quality)).decode(), words))
    if len(kept) < 2:
        return None
    values, frames, alts = zip(*kept, strict=True)
    return {
        "control": control.name,
        "label": control.label,
        "title": explorer.title,
        "kind": "image/webp",
        "values": [f"{value:g}" if isinstance(value, float) else str(value) for value in values],
        "frames": list(frames),
        "alts": list(alts),
        "start": values.index(now) if now in values else 0,
    }


def positions(control: Control, now: Any, count: int = FRAMES) -> list[Any]:
    """At most `count` values of a control in order, evenly spread over its range, `now` among them."""
    if control.kind == "choice":
        return _spread(control.choices, now, count)
    if control.kind == "bool":
        return [False, True]
    if control.kind not in ("int", "float") or control.low is None or control.high is None:
        return [now]
    step = control.step or (1 if control.kind == "int" else (control.high - control.low) / 100)
    steps = np.arange(int((control.high - control.low) / step + 1.5)) * step + control.low
    steps = steps[steps <= control.high + 1e-9]
    every = [int(value) if control.kind == "int" else round(float(value), 10) for value in steps]
    return _spread(sorted({*every, now}), now, count)


def bundle(explorer: Explorer) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a notebook keeps of an explorer, by kind of content, and the alternative text of its picture.

    The frames are left out where a Jupyter server has the notebook open, which then has the panel: a second saved.
    """
    data: dict[str, Any] = {"text/plain": repr(explorer)}
    about: dict[str, Any] = {}
    try:
        data["image/png"] = b64encode(encode(explorer.picture(), kind="png")).decode()
        about["image/png"] = {"alt": explorer.alt(explorer.facts())}
        if not open_in_jupyter() and (made := twin(explorer)):
            data[MIME] = made
    except MvkitError as err:
        data["text/plain"] = f"{explorer.title}: {err}"
        data["text/html"] = f"<p><strong>{escape(explorer.title)}</strong>: {escape(str(err))}</p>"
    view = {"version_major": 2, "version_minor": 0, "model_id": explorer.panel.box.model_id}
    data["application/vnd.jupyter.widget-view+json"] = view
    return data, about


def open_in_jupyter() -> bool:
    """A Jupyter server names the notebook to its kernel; a run started from such a kernel inherits the name."""
    return "JPY_SESSION_NAME" in os.environ and "MVKIT_RUN_FOLDER" not in os.environ


def _spread(values: Sequence[Any], now: Any, count: int) -> list[Any]:
    if len(values) <= count:
        return list(values)
    picked = {round(i) for i in np.linspace(0, len(values) - 1, count)}
    if now in values and (own := values.index(now)) not in picked:
        picked.remove(min(picked - {0, len(values) - 1}, key=lambda i: abs(i - own)))
        picked.add(own)
    return [values[i] for i in sorted(picked)]


def _fitting(picture: np.ndarray) -> tuple[int, int]:
    """The best quality at which all frames fit, judged by one of them; then fewer frames."""
    sizes = {quality: len(encode(picture, kind="webp", quality=quality)) for quality in QUALITIES}
    quality = next((q for q, size in sizes.items() if size * FRAMES <= BYTES), QUALITIES[-1])
    return quality, min(FRAMES, max(FEWEST, BYTES // sizes[quality]))
