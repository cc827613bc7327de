"""What every explorer is: values that are checked, a picture made of them, words about it, and the ways to change them.

A subclass gives `controls`, `render`, `describe` and `figure`, and `click`, `key` or `drag` where its picture listens.
All of these are plain functions of the values; the panel (`panel.py`) and the static twin (`twin.py`) are made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mvkit.errors import OptionError, unknown
from mvkit.widgets.controls import Control

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mvkit.viz.drawing import FigureData
    from mvkit.viz.figure import SavedFigure
    from mvkit.widgets.panel import Panel

Listener = Callable[[], object]
CODE = "Python"  # the label under which `describe` gives a line to copy


class Explorer:
    """title: its name for people and screen readers. twin_control: which control the static twin slides over.

    structural: names of the controls whose change gives other controls. paints: whether `drag` does something.
    """

    title: ClassVar[str] = "explorer"
    twin_control: str = ""
    structural: ClassVar[frozenset[str]] = frozenset()
    paints: ClassVar[bool] = False

    def __init__(self, *, figures: str | Path = "reports/figures", **values: Any) -> None:
        """figures: where the panel's button saves. values: of the controls, each else at its default.

        Call it at the end of a subclass's own: it reads `controls`. Raises OptionError.
        """
        self.figures = Path(figures)
        self.values: dict[str, Any] = {}
        self._listeners: list[Listener] = []
        self._panel: Panel | None = None
        self.values = self.resolve(values)

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls for the current `self.values`, which may be empty or partial: read them with `.get`."""
        raise NotImplementedError

    def render(self, **values: Any) -> np.ndarray:
        """All values -> the picture, (H, W, 3) uint8; nothing but the values decides it. Raises MvkitError."""
        raise NotImplementedError

    def describe(self, **values: Any) -> Mapping[str, str]:
        """All values -> label: text, shown under the picture; the text of "Python" is code to copy."""
        return {}

    def click(self, x: int, y: int, **values: Any) -> dict[str, Any]:
        """The values that a click on this pixel of the picture changes."""
        return {}

    def key(self, name: str, **values: Any) -> dict[str, Any]:
        """The values that a key changes: ArrowLeft, ArrowRight, ArrowUp, ArrowDown, PageUp, PageDown, Home, End."""
        return {}

    def drag(self, points: list[tuple[int, int]], **values: Any) -> dict[str, Any]:
        """The values that painting over these pixels (x, y) changes."""
        return {}

    def figure(self, **values: Any) -> tuple[Figure, FigureData]:
        """All values -> the printed twin of the picture, as `mvkit.viz` draws it."""
        raise OptionError(f"{type(self).__name__} has no printed figure")

    def resolve(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """All values after these changes, checked; nothing is changed yet.

        A value that new controls no longer allow (another strategy, a shorter range) falls back to its default, unless
        it is one of the changes. Raises OptionError.
        """
        before, known = self.values, set()
        try:
            self.values = {**before, **changes}
            for _ in range(len(self.structural) + 2):  # controls of the right kind first, then their values
                controls = {control.name: control for control in self.controls}
                values = {name: self._checked(control, changes) for name, control in controls.items()}
                settled = known == controls.keys() and values == self.values
                self.values, known = values, set(controls)
                if settled:
                    break
            if odd := changes.keys() - known:
                raise OptionError(unknown(f"control of {type(self).__name__}", min(odd), known))
            return self.values
        finally:
            self.values = before

    def set(self, **changes: Any) -> None:
        """Change values and show what comes of it where this is shown. Raises OptionError and then changes nothing."""
        values = self.resolve(changes)
        if values == self.values:
            return
        self.values = values
        for listener in list(self._listeners):
            listener()

    def listen(self, listener: Listener) -> None:
        """Call this after every change of values."""
        self._listeners.append(listener)

    def picture(self, **changes: Any) -> np.ndarray:
        """The picture with these changes, without making them. Raises MvkitError."""
        return self.render(**self.resolve(changes))

    def facts(self, **changes: Any) -> dict[str, str]:
        """What `describe` says with these changes, without making them. Raises MvkitError."""
        return dict(self.describe(**self.resolve(changes)))

    def alt(self, facts: Mapping[str, str]) -> str:
        """The picture in words: the title and what `describe` said, code left out."""
        return f"{self.title}. {sentences(facts)}".strip()

    def save(self, name: str, folder: str | Path | None = None, venue: str | None = None) -> SavedFigure:
        """Save `figure()` with its data; `describe` gives caption and facts. Raises MvkitError."""
        from mvkit.viz.figure import save

        fig, data = self.figure(**self.values)
        facts = self.facts()
        kept = {**facts, **({"seed": self.values["seed"]} if "seed" in self.values else {})}
        return save(fig, name, folder or self.figures, data=data, caption=self.alt(facts), facts=kept, venue=venue)

    @property
    def panel(self) -> Panel:
        """The widgets; made at first use."""
        if self._panel is None:
            from mvkit.widgets.panel import Panel

            self._panel = Panel(self)
        return self._panel

    def display(self) -> None:
        """Show it in a notebook, as the last value of a cell does."""
        from IPython.display import display

        display(self)

    def _checked(self, control: Control, changes: Mapping[str, Any]) -> Any:
        if control.name in changes:
            return control.check(changes[control.name])
        try:
            return control.check(self.values.get(control.name, control.default))
        except OptionError:
            return control.default

    def _repr_mimebundle_(self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None) -> Any:
        from mvkit.widgets.twin import bundle

        return bundle(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.values.items())})"


def sentences(facts: Mapping[str, str]) -> str:
    """label: text -> "Label text; label text." for people who do not see the table."""
    told = [f"{label}: {text}" for label, text in facts.items() if label != CODE]
    return f"{'; '.join(told)}." if told else ""
