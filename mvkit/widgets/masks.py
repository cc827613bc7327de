"""MaskExplorer: any masking strategy on a clip, its statistics, the line of Python that makes it, and masks by hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mvkit import maskers
from mvkit.errors import MaskError
from mvkit.maskers import MaskSet, TokenMask
from mvkit.viz.masks import MEANING, montage, role_map, rows
from mvkit.widgets import measures, painting
from mvkit.widgets.canvas import Canvas
from mvkit.widgets.controls import Control
from mvkit.widgets.cover import CHOICES, covered
from mvkit.widgets.explorer import CODE, Explorer
from mvkit.widgets.footage import Window
from mvkit.widgets.measured import PAINTED, Measured, measure, measure_painted
from mvkit.widgets.stage import COLUMNS, USUAL, Place, Stage, place_of
from mvkit.widgets.strategy import controls_of, masker_of, options_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mvkit.viz.drawing import FigureData

ALONE = "no other"
SECOND = "second_"  # in front of the names of the second strategy's controls


class MaskExplorer(Explorer):
    """Masking strategies on a clip, one or two at a time, every parameter a control; or a mask painted on the picture.

    clip: path of a video, frames (T, H, W, 3) uint8 or (3, T, H, W) float in [0, 1], the number of a sample clip, or a
    mapping of names to those; sample clips can be chosen in any case. encoder: whose attention guides a masker that
    wants it; else a measure of the clip stands in, and the panel says so. size: pixels, (h, w) or a side; with frames,
    tubelet and patch it gives the token grid. values: of the controls. `mask`, `masker`, `code` and `window` say what
    is shown.
    Raises MvkitError for a clip that cannot be read, or values that cannot be.
    """

    title: ClassVar[str] = "Masking strategies on a clip"
    structural: ClassVar[frozenset[str]] = frozenset({"clip", "file", "strategy", "second"})
    paints: ClassVar[bool] = True

    def __init__(
        self,
        clip: Any = None,
        *,
        encoder: Any = None,
        size: int | tuple[int, int] = 224,
        frames: int = USUAL["frames"],
        tubelet: int = USUAL["tubelet"],
        patch: int = USUAL["patch"],
        figures: str | Path = "reports/figures",
        **values: Any,
    ) -> None:
        self._stage = Stage(clip, encoder, size, {"frames": frames, "tubelet": tubelet, "patch": patch})
        self._measured = lru_cache(32)(self._measure)
        super().__init__(figures=figures, **values)

    @property
    def twin_control(self) -> str:  # type: ignore[override]
        """The ratio, or what the strategy has in place of it: its first number with a range."""
        names = [c.name for c in self.controls if c.kind in ("int", "float") and None not in (c.low, c.high)]
        own = [c.name for c in controls_of(self.values["strategy"])] if self.values["strategy"] != PAINTED else []
        return next((name for name in ("ratio", *own) if name in names), "")

    @property
    def controls(self) -> tuple[Control, ...]:
        strategies, guides = (*maskers.available(), PAINTED), self._stage.guides
        first, second = self.values.get("strategy", "tube"), self.values.get("second", ALONE)
        guided = any(maskers.get(name).needs - {"video"} for name in (first, second) if name in strategies[:-1])
        return (
            *self._stage.controls(self.values),
            Control("strategy", "choice", "tube", choices=strategies, help="how tokens are hidden, or painted by hand"),
            *(controls_of(first) if first in strategies[:-1] else ()),
            Control("seed", "int", 0, low=0, help="of the generator that draws the mask"),
            Control("second", "choice", ALONE, choices=(ALONE, *strategies), label="second strategy",
                    help="another strategy on the same clip, in a row of its own"),
            *(controls_of(second, SECOND) if second in strategies[:-1] else ()),
            Control("guide", "choice", guides[0], choices=guides, label="attention of",
                    help="what a masker that wants a teacher's attention gets", when=lambda values: guided),
            Control("look", "choice", "grey", choices=CHOICES, help="what hidden tokens look like"),
            Control("brush", "choice", "hide", choices=("hide", "show"), help="what dragging over the picture does"),
            Control("through", "bool", True, label="paint all steps", help="in all steps of the clip at once"),
            Control("painted", "text", "", label="painted tokens", help="hidden tokens, as 0-13 20; empty it to clear",
                    when=lambda values: PAINTED in (values["strategy"], values["second"])),
        )  # fmt: skip

    def render(self, **values: Any) -> np.ndarray:
        place, drawn = place_of(values), self._rows(values)
        window, pictures, steps = self._stage.window(place), self._stage.pictures(place), self._stage.steps(place)
        sheet, motion = self._sheet(values, drawn), window.motion.view(window.grid.shape).mean(0).numpy()
        for column, picture in enumerate(pictures):
            sheet.put(0, column, picture)
        sheet.heat(0, len(steps), motion, "error", 0, max(float(motion.max()), 1e-6))
        sheet.write(0, len(steps), "motion")
        for row, one in enumerate(drawn.values(), start=1):
            roles, names = role_map(one.mask)
            for column, picture in enumerate(covered(pictures, roles[steps], names, values["look"])):
                sheet.put(row, column, picture)
            sheet.heat(row, len(steps), one.often, "attention", 0, 1)
        sheet.bar(1, len(drawn), "attention", 0, 1, "share hidden")
        return sheet.array()

    def describe(self, **values: Any) -> dict[str, str]:
        drawn = self._rows(values)
        told = {CODE: self._code(values, drawn), "clip": self._stage.words(place_of(values))}
        told |= {f"{name} looks at": one.said for name, one in drawn.items() if one.said}
        return told | measures.in_words({name: one.statistics for name, one in drawn.items()})

    def alt(self, facts: Mapping[str, str]) -> str:
        """The clip and the few statistics that say most."""
        wanted = ("clip", "hidden", "visible in a step", "place leak")
        return super().alt({name: facts[name] for name in wanted if name in facts})

    def click(self, x: int, y: int, **values: Any) -> dict[str, Any]:
        """Paint one token; only where the mask is painted already, since a click is also how the picture gets focus."""
        return self.drag([(x, y)], **values) if values["strategy"] == PAINTED else {}

    def drag(self, points: list[tuple[int, int]], **values: Any) -> dict[str, Any]:
        """Paint: the mask under the stroke becomes a mask by hand, with these tokens hidden or shown."""
        place, drawn = place_of(values), self._rows(values)
        sheet, steps, (_, h, w) = (
            self._sheet(values, drawn),
            self._stage.steps(place),
            self._stage.window(place).grid.shape,
        )
        filled = painting.between(points, min(sheet.cell[0] / h, sheet.cell[1] / w) / 2)
        touched = [at for x, y in filled if (at := sheet.at(x, y)) and at[1] < len(steps)]
        if not touched:
            return {}
        begun = [*drawn.values()][max(0, touched[0][0] - 1)].mask.primary.volume()[0].numpy()
        tokens = [(steps[column], int(y * h), int(x * w)) for _, column, y, x in touched]
        hidden = painting.stroke(begun, tokens, hide=values["brush"] == "hide", through=values["through"])
        return {"strategy": PAINTED, "painted": painting.text_of(hidden)}

    def key(self, name: str, **values: Any) -> dict[str, Any]:
        """Left and right: another seed. Up and down: another strategy. Page up and down: another part of the video."""
        way = 1 if name in ("ArrowRight", "ArrowDown", "PageDown") else -1
        if name in ("ArrowLeft", "ArrowRight"):
            return {"seed": max(0, values["seed"] + way)}
        if name in ("ArrowUp", "ArrowDown"):
            names = (*maskers.available(), PAINTED)
            return {"strategy": names[(names.index(values["strategy"]) + way) % len(names)]}
        if name in ("PageUp", "PageDown"):
            source, start, stride = place_of(values)
            start += way * stride * len(self._stage.window(place_of(values)).frames) // 2
            return {"start": min(max(0, start), self._stage.footage(source).length - 1)}
        return {}

    def figure(self, **values: Any) -> tuple[Figure, FigureData]:
        drawn = self._rows(values)
        return montage(
            self._stage.window(place_of(values)).frames,
            **rows({name: one.mask for name, one in drawn.items()}),
            statistics={name: one.statistics for name, one in drawn.items()},
            keys=dict(zip(drawn, (values["strategy"], values["second"]), strict=False)),
            look=values["look"] if values["look"] in ("grey", "black") else "dim",
            columns=COLUMNS,
        )

    @property
    def mask(self) -> TokenMask | MaskSet:
        """The mask of the first strategy, of one clip."""
        return next(iter(self._rows(self.values).values())).mask

    @property
    def masker(self) -> maskers.Masker:
        """The first strategy itself. Raises MaskError for a mask painted by hand."""
        if self.values["strategy"] == PAINTED:
            raise MaskError("this mask was painted, no masker draws it: take `.mask`, or the Python line in `.code`")
        return masker_of(self.values["strategy"], self.values)

    @property
    def code(self) -> str:
        """The Python that makes the masks shown, `mask` and `second`."""
        return self._code(self.values, self._rows(self.values))

    @property
    def window(self) -> Window:
        """The frames shown, and what is known of them."""
        return self._stage.window(place_of(self.values))

    def _sheet(self, values: Mapping[str, Any], drawn: Mapping[str, Measured]) -> Canvas:
        """An empty canvas: a column for each step shown, and one for maps of all steps."""
        place = place_of(values)
        titles = [*(f"step {step + 1}" for step in self._stage.steps(place)), "all steps"]
        tokens, cell = self._stage.window(place).grid.tokens, self._stage.pictures(place).shape[1:3]
        notes = {row: _note(one, tokens) for row, one in enumerate(drawn.values(), start=1)}
        return Canvas(1 + len(drawn), len(titles), cell, labels=["clip", *drawn], titles=titles, notes=notes, bar=70)

    def _rows(self, values: Mapping[str, Any]) -> dict[str, Measured]:
        """Label -> what is shown of each strategy chosen."""
        drawn: dict[str, Measured] = {}
        for name, prefix in ((values["strategy"], ""), (values["second"], SECOND)):
            if name == ALONE:
                continue
            given = values["painted"] if name == PAINTED else tuple(options_of(name, values, prefix).items())
            one = self._measured(name, given, place_of(values), values["seed"], values["guide"])
            drawn[f"{name}, second" if name in drawn else name] = one
        return drawn

    def _measure(self, name: str, given: Any, place: Place, seed: int, guide: str) -> Measured:
        window, guided = self._stage.window(place), self._stage.guide(place, guide)
        if name == PAINTED:
            return measure_painted(given, window, guided)
        return measure(name, dict(given), window, seed, guided)

    def _code(self, values: Mapping[str, Any], drawn: Mapping[str, Measured]) -> str:
        lines = [f"{name} = {one.code}" for name, one in zip(("mask", "second"), drawn.values(), strict=False)]
        if any(one.uses_window for one in drawn.values()):
            names = "Footage, attended" if any("attended(" in line for line in lines) else "Footage"
            window = f"window = {self._stage.code(place_of(values))}"
            lines = [f"from mvkit.widgets.footage import {names}", window, *lines]
        return "\n".join(lines)


def _note(one: Measured, tokens: int) -> str:
    """The numbers under a row, and what its hatching means where there are several roles."""
    seen = [MEANING.get(name, f"{name} sees it") for name in list(one.mask.roles)[1:]]
    roles = f"  ·  hatched: {', '.join(dict.fromkeys(seen))}" if seen else ""
    return measures.in_short(one.statistics, tokens) + roles
