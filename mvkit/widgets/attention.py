"""AttentionExplorer: click a token and see where several models look from there, side by side.

Queries and keys are captured once for each model, clip and mask and stay on the device, so a click is one matrix-vector
product a row. An encoder without a class token has none here either.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mvkit import viz
from mvkit.errors import MvkitError, OptionError
from mvkit.inspect.attention_distance import AttentionDistance
from mvkit.inspect.clip_attention import ClipAttention
from mvkit.viz import style
from mvkit.viz.film import chosen_steps
from mvkit.viz.marks import tint
from mvkit.widgets import gaze
from mvkit.widgets.audience import Audience, Masking, Place, drawable
from mvkit.widgets.canvas import Canvas, enlarge, resize
from mvkit.widgets.controls import Control
from mvkit.widgets.explorer import CODE, Explorer
from mvkit.widgets.footage import clip_controls
from mvkit.widgets.gaze import EACH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mvkit.viz.drawing import FigureData

WIDE, LARGEST, SHOWN = 790, 128, 8  # pixels of all columns together and of one; steps shown
TOKEN, CLASS, ALL = "the chosen token", "the class token", "all tokens"
WHOLE = "none"  # no mask
MOVES = {"ArrowUp": (0, -1, 0), "ArrowDown": (0, 1, 0), "ArrowLeft": (0, 0, -1), "ArrowRight": (0, 0, 1),
         "PageUp": (-1, 0, 0), "PageDown": (1, 0, 0)}  # fmt: skip


class AttentionExplorer(Explorer):
    """models, steps: as `inspect.compared.Compared` takes them: label -> run folder, "timm:...", "file:..." or encoder.

    clip: what `Footage` takes (a sample's number, a path, frames), or a mapping of labels to it, of which `sample`
    names one. fps: of a clip that is no file, for times in seconds. values: of the controls; step, row and column of
    the token count from 1, as in the picture, on the grid of the first video encoder. What cannot be opened is told in
    the panel, and raised by `picture`, `facts` and `figure`.
    """

    title: ClassVar[str] = "Attention"
    twin_control = "layer"
    structural: ClassVar[frozenset[str]] = frozenset({"sample", "video"})

    def __init__(
        self,
        models: Mapping[str, Any],
        clip: Any = 1,
        *,
        steps: int = 8,
        fps: float | None = None,
        figures: str | Path = "reports/figures",
        **values: Any,
    ) -> None:
        clips = dict(clip) if isinstance(clip, Mapping) else {"the clip given": clip}
        self._names, self._audience = tuple(clips), None
        self._trouble: MvkitError | None = None
        try:
            self._audience = Audience(models, clips, steps=steps, fps=fps)
        except MvkitError as err:
            self._trouble = err
        self._thumbnails = lru_cache(4)(self._shrink)
        super().__init__(figures=figures, **values)

    @property
    def audience(self) -> Audience:
        """The models and what they see. Raises what opening them raised."""
        if self._audience is None:
            raise self._trouble or OptionError("no model was opened")
        return self._audience

    @property
    def controls(self) -> tuple[Control, ...]:
        at, names, whose, masked = self.values.get, self._names, (TOKEN, CLASS, ALL), True
        t = h = w = depth = heads = None  # where no model could be opened any value will do: render tells why
        length = frames = 1
        if self._audience is not None:
            of = self._audience.compared
            (t, h, w), depth, frames = of.grid.shape, of.depth, of.frames
            heads = max(gaze.heads_of(one.encoder) for one in of.encoders.values())
            classes = any(gaze.has_class_token(one.encoder) for one in of.encoders.values())
            whose = (TOKEN, *([CLASS] if classes else []), ALL)
            masked = any(map(self._audience.masks, of.encoders))
            with suppress(MvkitError):  # a clip that cannot be read: render tells that too
                length = self._audience.length(at("sample", names[0]), at("video", ""))

        def asks(values: Mapping[str, Any]) -> bool:
            return values["whose"] == TOKEN

        def side(name: str, most: int | None, help: str) -> Control:
            return Control(name, "int", ((most or 1) + 1) // 2, low=1, high=most, help=help, when=asks)

        return (
            *clip_controls(names, length, frames),
            Control("whose", "choice", TOKEN, choices=whose, label="attention of",
                    help="one token, the class token of models that have one, or the mean: what a token receives"),
            Control("layer", "int", depth or 1, low=1, high=depth,
                    help="block whose attention is shown; of a model with fewer, the one as deep in it"),
            Control("heads", "choice", "mean", choices=("mean", "max", "min", EACH, *range(1, (heads or 16) + 1)),
                    help="heads put together, each for itself, or one of them", when=lambda v: not v["rollout"]),
            side("step", t, "step of the token that is asked about"),
            side("row", h, "its row in the grid of tokens"),
            side("column", w, "its column in the grid of tokens"),
            Control("alone", "bool", False, label="without itself",
                    help="leave out what the token gives to itself; the rest sums to 1", when=asks),
            Control("limits", "choice", "shared", choices=("shared", "each row"), label="colours",
                    help="one colour scale for all rows, or one for each"),
            Control("rollout", "bool", False, help="follow attention through all blocks up to the layer; a large model "
                    "takes seconds the first time"),
            Control("fusion", "choice", "mean", choices=("mean", "max", "min"), label="heads of the rollout",
                    help="how its heads are put together", when=lambda values: values["rollout"]),
            Control("discard", "float", 0.0, low=0, high=0.95, step=0.05, when=lambda values: values["rollout"],
                    help="share of each token's weakest weights that the rollout leaves out"),
            Control("masker", "choice", WHOLE, choices=(WHOLE, *drawable()), label="hidden by",
                    help="what video models do not see of the clip", when=lambda _: masked),
            Control("ratio", "float", 0.75, low=0.05, high=0.95, step=0.05, help="share of tokens that is hidden",
                    when=lambda values: values["masker"] != WHOLE),
            Control("seed", "int", 0, low=0, help="of the mask", when=lambda values: values["masker"] != WHOLE),
        )  # fmt: skip

    def render(self, **values: Any) -> np.ndarray:
        found, place = self._rows(values), _place(values)
        relative = {row.label: row.relative for row in found}
        shared = values["limits"] == "shared"
        tops = viz.attention.colour_tops(relative, shared=shared)
        shown, canvas = self._canvas(values, found)
        pictures, veil = self._thumbnails(place, canvas.cell), self._veil(place, _masking(values))
        for column, step in enumerate(shown):
            picture = pictures[step]
            if veil is not None:
                picture = tint(picture, enlarge(veil[step], *canvas.cell), style.HIDDEN, 0.85)
            canvas.put(0, column, picture)
            for row, part in enumerate(relative.values(), start=1):
                canvas.heat(row, column, part[step], "attention", 0, tops[found[row - 1].label])
        if values["whose"] == TOKEN:
            grids = [self.audience.compared.grid.shape, *(row.map.shape for row in found)]
            tokens = [_token(values), *(row.who for row in found)]
            for row, ((_, h, w), (step, y, x)) in enumerate(zip(grids, tokens, strict=True)):
                canvas.outline(row, shown.index(step), y / h, x / w, (y + 1) / h, (x + 1) / w)
        if shared:
            canvas.bar(1, len(found), "attention", 0, next(iter(tops.values())), "× uniform")
        for row, one in enumerate(found, start=1):
            if not shared and not one.why:
                canvas.bar(row, row, "attention", 0, tops[one.label])
        return canvas.array()

    def describe(self, **values: Any) -> dict[str, str]:
        found, place, of = self._rows(values), _place(values), self.audience.compared
        whose = values["whose"]
        told = {"Attention of": gaze.query_words(self.audience, place, _token(values)) if whose == TOKEN else whose}
        told["Heads"] = f"{values['fusion']} of the rollout" if values["rollout"] else str(values["heads"])
        if (masking := _masking(values)) is not None:
            told["Mask"] = self._mask_words(place, masking)
        told |= gaze.words(self.audience, place, found)
        label = next(iter(of.encoders))
        told[CODE] = _code(of.block(label, values["layer"]), values, found[0].who, of.grid.t)
        return told

    def click(self, x: int, y: int, **values: Any) -> dict[str, Any]:
        """The token under the mouse, in the clip or in any row."""
        shown, canvas = self._canvas(values, self._rows(values))
        at, grid = canvas.at(x, y), self.audience.compared.grid
        if at is None:
            return {}
        _, column, down, across = at
        token = {"step": 1 + shown[column], "row": 1 + int(down * grid.h), "column": 1 + int(across * grid.w)}
        return {**token, "whose": TOKEN}

    def key(self, name: str, **values: Any) -> dict[str, Any]:
        """Arrows move the token, PageUp and PageDown its step, Home and End to the first and the last."""
        sides = dict(zip(("step", "row", "column"), self.audience.compared.grid.shape, strict=True))
        if name in ("Home", "End"):
            return {"step": 1 if name == "Home" else sides["step"], "whose": TOKEN}
        moves = zip(sides.items(), MOVES.get(name, (0, 0, 0)), strict=True)
        moved = {side: min(most, max(1, values[side] + by)) for (side, most), by in moves if by}
        return {**moved, "whose": TOKEN} if moved else {}

    def figure(self, **values: Any) -> tuple[Figure, FigureData]:
        found = [row for row in self._rows(values) if not row.why]
        if not found:
            raise OptionError("no model has such a map here: choose another token or head")
        maps = {row.label.replace("\n", ", "): row.map for row in found}
        query = found[0].who if isinstance(found[0].who, tuple) else None
        scale = "shared" if values["limits"] == "shared" else "row"
        frames = self.audience.frames(_place(values))
        return viz.attention.query_maps(frames, maps, query, scale=scale, columns=SHOWN)

    @property
    def place(self) -> Place:
        """Which frames are shown."""
        return _place(self.values)

    def attention(self, **changes: Any) -> dict[str, ClipAttention]:
        """Model -> queries and keys of the clip these values mean, and all maps of them. Raises MvkitError."""
        values = self.resolve(changes)
        encoders = self.audience.compared.encoders
        return {label: self.audience.attention(label, _place(values), _masking(values)) for label in encoders}

    def distances(self, windows: int = 1) -> dict[str, list[AttentionDistance]]:
        """Model -> distances of its heads, one for each of so many parts of every clip, whole; `viz.heads` draws them.

        Parts are spread evenly from the first frame to the last. Raises MvkitError.
        """
        places, stride = [], self.values["stride"]
        for sample in self._names:
            free = max(0, self.audience.length(sample, self.values["video"]) - stride * self.audience.compared.frames)
            starts = {free * part // max(1, windows - 1) for part in range(windows)}
            places += [Place(sample, self.values["video"], start, stride) for start in sorted(starts)]
        return {label: [self.audience.distance(label, place) for place in places]
                for label in self.audience.compared.encoders}  # fmt: skip

    def _rows(self, values: Mapping[str, Any]) -> list[gaze.Row]:
        token = {TOKEN: _token(values), CLASS: gaze.CLASS, ALL: None}[values["whose"]]
        heads = values["heads"]
        asked = gaze.Asked(
            token, values["layer"], heads - 1 if isinstance(heads, int) else heads,
            (values["fusion"], values["discard"]) if values["rollout"] else None, values["alone"],
        )  # fmt: skip
        return gaze.rows(self.audience, _place(values), _masking(values), asked)

    def _canvas(self, values: Mapping[str, Any], found: list[gaze.Row]) -> tuple[list[int], Canvas]:
        """The steps shown, and the page with its words."""
        of = self.audience.compared
        shown = chosen_steps(of.grid.t, SHOWN, values["step"] - 1)
        wide = min(LARGEST, WIDE // len(shown))
        first = "clip and token" if values["whose"] == TOKEN else "clip"
        cell = (round(wide * of.size[0] / of.size[1]), wide)
        titles = [f"step {step + 1}" for step in shown]
        # Of several heads of a model, the last row tells.
        last = {one.model: row for row, one in enumerate(found, start=1)}
        notes = {last[one.model]: one.why or one.hatched for one in found}
        labels = [first, *(row.label for row in found)]
        return shown, Canvas(len(labels), len(shown), cell, labels=labels, titles=titles, notes=notes, bar=70)

    def _veil(self, place: Place, masking: Masking | None) -> np.ndarray | None:
        """(t, h, w) bool: what the first model under the mask does not see."""
        masked = [label for label in self.audience.compared.encoders if self.audience.masks(label)]
        if masking is None or not masked:
            return None
        return self.audience.mask(masked[0], place, masking).volume()[0].numpy()

    def _mask_words(self, place: Place, masking: Masking) -> str:
        told: dict[str, list[str]] = {}
        for label in self.audience.compared.encoders:
            seen = "whole frames seen by"
            if self.audience.masks(label):
                mask = self.audience.mask(label, place, masking)
                seen = f"{mask.visible_ids.shape[1]} of {mask.grid.tokens} tokens visible to"
            told.setdefault(seen, []).append(label)
        words = [f"{seen} {', '.join(labels)}" for seen, labels in told.items()]
        return f"{masking.masker}, ratio {masking.ratio:g}, seed {masking.seed}: {'; '.join(words)}"

    def _shrink(self, place: Place, cell: tuple[int, int]) -> list[np.ndarray]:
        frames = self.audience.frames(place)
        return [resize(frame, *cell) for frame in frames[:: len(frames) // self.audience.compared.grid.t]]


def _place(values: Mapping[str, Any]) -> Place:
    return Place(values["sample"], values["video"], values["start"], values["stride"])


def _masking(values: Mapping[str, Any]) -> Masking | None:
    return None if values["masker"] == WHOLE else Masking(values["masker"], values["ratio"], values["seed"])


def _token(values: Mapping[str, Any]) -> tuple[int, int, int]:
    return values["step"] - 1, values["row"] - 1, values["column"] - 1


def _code(block: int, values: Mapping[str, Any], who: Any, steps: int) -> str:
    """The line that gives the first row's map; encoder, clip (1, 3, T, H, W) and mask as they are here."""
    mask = "" if values["masker"] == WHOLE else ", mask=mask"
    call = f"mvkit.inspect.clip_attention.ClipAttention(encoder, clip, steps={steps}{mask})"
    alone = ", drop_self=True" if values["alone"] and isinstance(who, tuple) else ""
    if values["rollout"]:
        how = f"fusion={values['fusion']!r}, discard={values['discard']:g}"
        return f"{call}.rollout({block}, {who!r}, {how}{alone})"
    heads = {EACH: "all"}.get(values["heads"], values["heads"])
    return f"{call}.map({block}, {who!r}, heads={heads - 1 if isinstance(heads, int) else heads!r}{alone})"
