"""Cross-frame similarity: click a token and see where it goes in other frames, for pixels and for every model.

Features are kept on the device for each model, layer and clip: a click is one matrix-vector product.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mvkit import viz
from mvkit.errors import MvkitError
from mvkit.inspect import similarity
from mvkit.inspect.compared import PIXELS, Compared, Rows
from mvkit.viz import style
from mvkit.viz.film import chosen_steps
from mvkit.widgets.canvas import Canvas, resize
from mvkit.widgets.controls import Control
from mvkit.widgets.explorer import CODE, Explorer
from mvkit.widgets.footage import Footage, Window, clip_controls

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mvkit.viz.drawing import FigureData

WIDE, LARGEST, SMALLEST = 720, 120, 64  # pixels: of all columns together, of one
SHOWN = 8  # steps
MOVES = {"ArrowUp": (0, -1, 0), "ArrowDown": (0, 1, 0), "ArrowLeft": (0, 0, -1), "ArrowRight": (0, 0, 1),
         "PageUp": (-1, 0, 0), "PageDown": (1, 0, 0)}  # fmt: skip


class SimilarityExplorer(Explorer):
    """models, steps, seed: as `inspect.compared.Compared`, or one of those. clip: what `Footage` takes (a sample's
    number, a path, frames), or a mapping of labels to it, of which `sample` names one. values: of the controls; step,
    row and column of the query count from 1, as in the picture.

    A model or clip that cannot be opened is told in the panel, and raised by `picture`, `facts` and `figure`.
    """

    title = "Cross-frame similarity"
    twin_control = "step"
    structural = frozenset({"sample", "video"})

    def __init__(
        self,
        models: Mapping[str, Any] | Compared,
        clip: Any = 1,
        *,
        steps: int = 8,
        seed: int = 0,
        figures: str | Path = "reports/figures",
        **values: Any,
    ) -> None:
        self._models: Compared | MvkitError
        try:
            self._models = models if isinstance(models, Compared) else Compared(models, steps=steps, seed=seed)
        except MvkitError as err:
            self._models = err
        self._clips = dict(clip) if isinstance(clip, Mapping) else {"the clip given": clip}
        self._footage = lru_cache(4)(self._open)
        self._window = lru_cache(4)(self._cut)
        self._frames = lru_cache(4)(self._thumbnails)
        super().__init__(figures=figures, **values)

    @property
    def models(self) -> Compared:
        """Raises what opening them raised."""
        if isinstance(self._models, MvkitError):
            raise self._models
        return self._models

    @property
    def controls(self) -> tuple[Control, ...]:
        names, video = tuple(self._clips), self.values.get("video", "")
        models = self._models if isinstance(self._models, Compared) else None  # else render tells it
        depth, (t, h, w) = (models.depth, models.grid.shape) if models else (None, (None, None, None))
        length = frames = models.frames if models else 1
        with suppress(MvkitError):
            length = self._footage(self.values.get("sample", names[0]), video).length

        def place(name: str, most: int | None, help: str) -> Control:
            return Control(name, "int", ((most or 1) + 1) // 2, low=1, high=most, help=help)

        return (
            *clip_controls(names, length, frames),
            Control("layer", "int", depth or 1, low=1, high=depth,
                    help="block whose features are compared; of a model with fewer, the one as deep in it"),
            place("step", t, "step of the token that is asked about"),
            place("row", h, "its row in the grid of tokens"),
            place("column", w, "its column in the grid of tokens"),
            Control("features", "choice", "centred", choices=("centred", "raw"),
                    help="less their clip's mean, or as they are: then nearly all are alike"),
            Control("limits", "choice", "shared", choices=("shared", "each row"), label="colours",
                    help="one colour scale for all rows, or one for each"),
            Control("matrix", "choice", "aligned", choices=similarity.MATRICES, label="frame matrix",
                    help="two steps compared by same places, by best matches, or by their means"),
            Control("baselines", "bool", True, label="controls", help="static clip and shuffled steps beside the clip"),
        )  # fmt: skip

    def render(self, **values: Any) -> np.ndarray:
        rows, query, (signed, shared) = self._rows(values), _query(values), _toggles(values)
        maps = rows.maps(values["layer"], query, centred=signed)
        matrices = rows.matrices(values["layer"], kind=values["matrix"], centred=signed, static=values["baselines"])
        pairs = {name: np.stack(pair) for name, pair in matrices.items()}
        likeness = viz.similarity.colour_limits(pairs, shared=shared, signed=False)
        shown, canvas = self._canvas(values, likeness)
        frames = self._frames(*_source(values), canvas.cell)
        for column, step in enumerate(shown):
            canvas.put(0, column, frames[step])
        canvas.outline(0, shown.index(query[0]), *_box(query[1:], self.models.grid.shape[1:]))
        limits = viz.similarity.colour_limits(maps, shared=shared, signed=signed)
        colours = viz.similarity.SCALES[signed]
        for row, (name, part) in enumerate(maps.items(), start=1):
            for column, step in enumerate(shown):
                canvas.heat(row, column, part[step], colours, *limits[name])
                best = divmod(int(np.argmax(part[step])), part.shape[2])
                colour = style.QUERY if step == query[0] else "white"
                canvas.outline(row, column, *_box(best, part.shape[1:]), colour)
            for column, matrix in enumerate(matrices[name], start=len(shown)):
                canvas.heat(row, column, matrix, "similarity", *likeness[name])
            if not shared:
                canvas.bar(row, row, colours, *limits[name])
        if shared:
            canvas.bar(1, len(maps), colours, *limits[PIXELS], "cosine")
        return canvas.array()

    def describe(self, **values: Any) -> dict[str, str]:
        rows, query, layer = self._rows(values), _query(values), values["layer"]
        centred = values["features"] == "centred"
        told = {"Query": f"step {values['step']}, row {values['row']}, column {values['column']}"}
        if repeated := self._window(*_source(values)).repeated:
            told["Clip"] = f"the video is too short: its last frame stands {repeated} times more at the end"
        for name in rows.features:
            told[self.models.label(name, layer)] = rows.numbers(
                name, layer, kind=values["matrix"], centred=centred, controls=values["baselines"]
            )
        name, last = list(rows.features.items())[-1]
        told[CODE] = (
            f"# tokens: (1, {last.grid.tokens}, D), {self.models.label(name, layer)}\n"
            f"similarity.query_map(tokens, {last.grid!r}, {query}, centred={centred})"
        )
        return told

    def click(self, x: int, y: int, **values: Any) -> dict[str, Any]:
        shown, canvas = self._canvas(values)
        at = canvas.at(x, y)
        if at is None:
            return {}
        _, column, down, across = at
        grid = self.models.grid
        if column >= len(shown):  # a matrix: the step that it looks from
            return {"step": 1 + int(down * grid.t)}
        return {"step": 1 + shown[column], "row": 1 + int(down * grid.h), "column": 1 + int(across * grid.w)}

    def key(self, name: str, **values: Any) -> dict[str, Any]:
        sides = dict(zip(("step", "row", "column"), self.models.grid.shape, strict=True))
        if name in ("Home", "End"):
            return {"step": 1 if name == "Home" else sides["step"]}
        moves = zip(sides.items(), MOVES.get(name, (0, 0, 0)), strict=True)
        moved = {side: min(most, max(1, values[side] + by)) for (side, most), by in moves if by}
        return {side: value for side, value in moved.items() if value != values[side]}

    def figure(self, **values: Any) -> tuple[Figure, FigureData]:
        query, (signed, shared) = _query(values), _toggles(values)
        maps = self._rows(values).maps(values["layer"], query, centred=signed)
        named = {self.models.label(name, values["layer"]): part for name, part in maps.items()}
        frames = self._window(*_source(values)).frames
        return viz.similarity.query_maps(frames, named, query, shared=shared, signed=signed, columns=SHOWN)

    def _rows(self, values: Mapping[str, Any]) -> Rows:
        return self.models.on(_source(values), self._window(*_source(values)).video)

    def _canvas(
        self, values: Mapping[str, Any], limits: Mapping[str, tuple[float, float]] | None = None
    ) -> tuple[list[int], Canvas]:
        """The steps shown, and the page with its words. limits: label -> those of the matrices, told under the rows."""
        models, matrices = self.models, 1 + bool(values["baselines"])
        shown = chosen_steps(models.grid.t, SHOWN, values["step"] - 1)
        wide = min(LARGEST, max(SMALLEST, WIDE // (len(shown) + matrices)))
        labels = ["clip and query", *(models.label(name, values["layer"], "\n") for name in (PIXELS, *models.encoders))]
        titles = [f"step {step + 1}" for step in shown] + [values["matrix"], "static clip"][:matrices]
        ends = list((limits or dict.fromkeys([PIXELS, *models.encoders], (0.0, 1.0))).values())
        rows = enumerate(ends, start=1) if values["limits"] != "shared" else [(len(ends), ends[0])]
        notes = {
            row: f"frame matrices, {values['matrix']}: dark {low:.2f}, bright {high:.2f}" for row, (low, high) in rows
        }
        cell = (round(wide * models.size[0] / models.size[1]), wide)
        return shown, Canvas(len(labels), len(titles), cell, labels=labels, titles=titles, notes=notes, bar=70)

    def _open(self, clip: str, video: str) -> Footage:
        return Footage(video or self._clips[clip], self.models.size)

    def _cut(self, clip: str, video: str, start: int, stride: int) -> Window:
        models = self.models
        one = self._footage(clip, video)
        return one.window(start, stride, frames=models.frames, tubelet=models.frames // models.grid.t,
                          patch=models.size[0] // models.grid.h)  # fmt: skip

    def _thumbnails(self, clip: str, video: str, start: int, stride: int, cell: tuple[int, int]) -> list[np.ndarray]:
        frames = self._window(clip, video, start, stride).frames
        return [resize(frame, *cell) for frame in frames[:: len(frames) // self.models.grid.t]]


def _source(values: Mapping[str, Any]) -> tuple[str, str, int, int]:
    return values["sample"], values["video"], values["start"], values["stride"]


def _query(values: Mapping[str, Any]) -> tuple[int, int, int]:
    return values["step"] - 1, values["row"] - 1, values["column"] - 1


def _toggles(values: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether colours are symmetric about 0, whether rows share them."""
    return values["features"] == "centred", values["limits"] == "shared"


def _box(place: tuple[int, ...], sides: tuple[int, ...]) -> tuple[float, float, float, float]:
    (y, x), (h, w) = place, sides
    return y / h, x / w, (y + 1) / h, (x + 1) / w
