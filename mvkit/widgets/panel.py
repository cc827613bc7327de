"""The panel of an explorer in a notebook: controls on the left, the picture and its words on the right.

Nothing queues: a slider of ipywidgets sends its newest value only when the kernel is done with the one before, and
painting and held keys wait for their picture (`picture.js`), so what is drawn is what was asked last.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from typing import Any

import ipywidgets

from mvkit.errors import MvkitError
from mvkit.widgets.canvas import encode, text_width
from mvkit.widgets.controls import Control
from mvkit.widgets.explorer import CODE, Explorer
from mvkit.widgets.picture import Picture

WIDTH, LABELS = 310, 140  # pixels of the column of controls, and of labels at most


class Panel:
    """box: the widget to show. Values flow both ways: `explorer.set` moves the controls too."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.picture = Picture(title=explorer.title, paints=explorer.paints, hint=_hint(explorer))
        self.picture.add_class("mvkit-right").on_msg(self._heard)
        self.controls = ipywidgets.VBox(layout=ipywidgets.Layout(width=f"{WIDTH}px", flex="0 0 auto"))
        self.controls.add_class("mvkit-controls")
        self.save = ipywidgets.Button(description="Save figure", tooltip=f"PDF, PNG and data into {explorer.figures}")
        self.save.on_click(self._save)
        self.box = ipywidgets.HBox([self.controls, self.picture]).add_class("mvkit-panel")
        self._made: dict[str, tuple[Control, Any]] = {}
        self._telling = False  # while values are written into the controls, what they say back is not heard
        explorer.listen(self.update)
        self.update()

    def update(self) -> None:
        """Show the explorer's values: the right controls, the picture, the words."""
        values = self.explorer.values
        self._fit(self.explorer.controls)
        self._telling = True
        for control, widget in self._made.values():
            if read(control, widget.value) != values[control.name]:
                widget.value = written(control, values[control.name])
        self._telling = False
        with self._one_line():
            picture, facts = self.explorer.render(**values), dict(self.explorer.describe(**values))
            alt = self.explorer.alt(facts)
            code = facts.pop(CODE, "")
            self.picture.show(encode(picture), alt, facts, code)

    def _fit(self, controls: tuple[Control, ...]) -> None:
        """One widget for each control; those that stay the same are kept, with the focus they have."""
        before, self._made = self._made, {}
        wide = min(LABELS, max((text_width(control.label) for control in controls), default=0) + 8)
        for control in controls:
            plain = replace(control, when=None)  # a condition is a new function each time
            kept = before.get(control.name)
            widget = kept[1] if kept and kept[0] == plain else self._widget(plain)
            widget.style.description_width = f"{wide}px"
            self._made[control.name] = plain, widget
        shown = [self._made[control.name][1] for control in controls if control.shown(self.explorer.values)]
        if type(self.explorer).figure is not Explorer.figure:
            shown.append(self.save)
        if list(self.controls.children) != shown:
            self.controls.children = shown
        for name, (_, widget) in before.items():
            if self._made.get(name, (None, None))[1] is not widget:
                widget.close()

    def _widget(self, control: Control) -> Any:
        widget = make(control, written(control, self.explorer.values[control.name]))
        widget.observe(lambda change: self._changed(control, change["new"]), "value")
        return widget

    def _changed(self, control: Control, value: Any) -> None:
        if self._telling:
            return
        with self._one_line():
            self.explorer.set(**{control.name: read(control, value)})

    def _heard(self, _: object, message: dict[str, Any], __: object) -> None:
        values = self.explorer.values
        with self._one_line():
            match message:
                case {"type": "click", "x": x, "y": y}:
                    changes = self.explorer.click(x, y, **values)
                case {"type": "key", "name": name}:
                    changes = self.explorer.key(name, **values)
                case {"type": "drag", "points": points}:
                    changes = self.explorer.drag([(x, y) for x, y in points], **values)
                case _:
                    return
            self.explorer.set(**changes)

    def _save(self, _: object) -> None:
        self.save.disabled = True
        mark = sha256(repr(self.explorer).encode()).hexdigest()[:6]
        with self._one_line():
            saved = self.explorer.save(f"{type(self.explorer).__name__}-{mark}")
            self.picture.told = f"Saved {saved.pdf.resolve()}, with PNG and data beside it"
        self.save.disabled = False

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Trouble becomes one line under the picture, which stays."""
        try:
            yield
        except MvkitError as err:
            self.picture.error = str(err)
        except Exception as err:  # a page has no place for a traceback; Python gives it
            self.picture.error = f"{type(err).__name__}: {err} (unexpected; explorer.picture() shows where)"


def make(control: Control, value: Any) -> Any:
    """The widget of ipywidgets for one control; value: what `written` gives."""
    say: dict[str, Any] = {
        "description": control.label,
        "tooltip": control.help or control.label,
        "layout": ipywidgets.Layout(width=f"{WIDTH - 10}px"),
    }
    number = {"min": control.low, "max": control.high, "step": control.step}
    limits = {name: end for name, end in number.items() if end is not None}
    if control.kind == "choice":
        options = [("not set" if choice is None else str(choice), choice) for choice in control.choices]
        return ipywidgets.Dropdown(options=options, value=value, **say)
    if control.kind == "bool":
        return ipywidgets.Checkbox(value=value, indent=True, **say)
    if control.kind in ("text", "file") or control.default is None:
        hint = "not set" if control.default is None else ""
        return ipywidgets.Text(value=value, placeholder=hint, continuous_update=False, **say)
    if control.low is not None and control.high is not None:
        if control.kind == "int":
            return ipywidgets.IntSlider(value=value, **limits, **say)
        limits.setdefault("step", (control.high - control.low) / 100)
        places = max(0, min(6, len(f"{limits['step']:.6f}".rstrip("0").partition(".")[2])))
        return ipywidgets.FloatSlider(value=value, readout_format=f".{places}f", **limits, **say)
    if not limits.keys() & {"min", "max"}:
        return (ipywidgets.IntText if control.kind == "int" else ipywidgets.FloatText)(value=value, **limits, **say)
    bounded = ipywidgets.BoundedIntText if control.kind == "int" else ipywidgets.BoundedFloatText
    return bounded(value=value, **{"min": -(10**9), "max": 10**9, **limits}, **say)


def written(control: Control, value: Any) -> Any:
    """A value as the control's widget holds it: one that may be missing is text, empty for None."""
    if control.kind in ("choice", "bool") or control.default is not None:
        return value
    return "" if value is None else str(value)


def read(control: Control, held: Any) -> Any:
    """What the control's widget holds as a value; text that is no number stays text, and the explorer refuses it."""
    if isinstance(held, float):
        return round(held, 10)  # a slider counts in steps of a binary fraction
    if control.default is None and isinstance(held, str) and control.kind != "choice":
        if not held.strip():
            return None
        with suppress(ValueError):
            return {"int": int, "float": float}.get(control.kind, str)(held)
    return held


def _hint(explorer: Explorer) -> str:
    """How the picture is used, in words for its accessible name."""
    ways = {"click": "click chooses", "key": "arrow keys move the choice", "drag": "drag paints"}
    there = [words for name, words in ways.items() if getattr(type(explorer), name) is not getattr(Explorer, name)]
    return ", ".join(there).capitalize()
