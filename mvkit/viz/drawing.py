"""What makes a drawing function redrawable: everything it was given, kept as plain arrays and numbers.

A function under `@drawing` returns `(figure, data)`. Tensors become arrays before it draws, pictures become uint8, and
exactly these values are recorded, so drawing again from the record gives the same figure without model or clip. A
TokenMask is recorded as its hidden tokens, a dataclass as the mapping of its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import wraps
from importlib import import_module
from inspect import signature
from math import isfinite
from typing import Any, ParamSpec

import numpy as np
from matplotlib.figure import Figure

from mvkit.errors import OptionError, ShapeError, unknown
from mvkit.plugins import available
from mvkit.viz import style

P = ParamSpec("P")


@dataclass(frozen=True)
class FigureData:
    """All that a figure was drawn from.

    function: "module.name" inside mvkit.viz. parameters: its arguments as JSON values, an array standing as
    {"array": key}, a mapping as {"mapping": pairs}, nan as {"number": "nan"}; arrays: these arrays by key. alt: the
    picture in words. limits: colour limits by panel.
    """

    function: str
    parameters: dict[str, Any]
    arrays: dict[str, np.ndarray]
    alt: str
    limits: dict[str, list[float]] = field(default_factory=dict)

    @property
    def venue(self) -> str:
        return self.parameters["venue"]

    def redraw(self, venue: str | None = None) -> tuple[Figure, FigureData]:
        """The figure drawn again, at another venue's width if one is named.

        Raises OptionError, also for arguments or arrays that do not fit the function as it is now.
        """
        draw = find(self.function)
        try:
            arguments = {name: _unpack(value, self.arrays) for name, value in self.parameters.items()}
            signature(draw).bind(**arguments)
        except (KeyError, TypeError) as err:
            raise OptionError(f"{self.function} cannot be drawn from what is recorded: {err}") from None
        if venue is not None:
            arguments["venue"] = venue
        return draw(**arguments)


@dataclass(frozen=True)
class Drawn:
    """What the body of a drawing function hands to `drawing`."""

    figure: Figure
    alt: str
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)


def drawing(
    *, pictures: tuple[str, ...] = ()
) -> Callable[[Callable[P, Drawn]], Callable[P, tuple[Figure, FigureData]]]:
    """Make a function that draws into one that records. pictures: the arguments that hold clips."""

    def decorate(draw: Callable[P, Drawn]) -> Callable[P, tuple[Figure, FigureData]]:
        names = signature(draw)
        plain: Callable[..., Drawn] = draw

        @wraps(draw)
        def recorded(*args: P.args, **kwargs: P.kwargs) -> tuple[Figure, FigureData]:
            bound = names.bind(*args, **kwargs)
            bound.apply_defaults()
            arrays: dict[str, np.ndarray] = {}
            packed = {
                name: _pack(value, name, arrays, picture=name in pictures) for name, value in bound.arguments.items()
            }
            arguments = {name: _unpack(value, arrays) for name, value in packed.items()}
            with style.applied():
                drawn = plain(**arguments)
            limits = {name: [float(low), float(high)] for name, (low, high) in drawn.limits.items()}
            function = f"{draw.__module__.rpartition('.')[2]}.{draw.__name__}"
            return drawn.figure, FigureData(function, packed, arrays, drawn.alt, limits)

        recorded.__dict__["is_drawing"] = True
        return recorded

    return decorate


def find(function: str) -> Callable[..., tuple[Figure, FigureData]]:
    """The drawing function called "module.name". Raises OptionError, listing what exists."""
    room, _, name = function.partition(".")
    if room not in available("mvkit.viz"):
        raise OptionError(unknown("module of mvkit.viz", room, available("mvkit.viz")))
    module = import_module(f"mvkit.viz.{room}")
    known = [key for key, value in vars(module).items() if getattr(value, "is_drawing", False)]
    if name not in known:
        raise OptionError(unknown(f"drawing of mvkit.viz.{room}", name, known))
    return getattr(module, name)


def as_frames(clips: Any, what: str = "clips") -> np.ndarray:
    """Clips as frames: float (..., 3, T, H, W) in [0, 1] or uint8 (..., T, H, W, 3) -> uint8 (..., T, H, W, 3)."""
    array = _array(clips)
    if array.dtype == np.uint8 and array.ndim >= 4 and array.shape[-1] == 3:
        return array
    if array.dtype.kind == "f" and array.ndim >= 4 and array.shape[-4] == 3:
        return np.moveaxis((array.clip(0, 1) * 255).round().astype(np.uint8), -4, -1)
    raise ShapeError(
        f"{what} must be float (..., 3, T, H, W) in [0, 1] or uint8 (..., T, H, W, 3), got {array.dtype} {array.shape}"
    )


def _array(value: Any) -> np.ndarray:
    # Tensors are known by their methods, so that redrawing from a record does not load torch.
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.float() if value.is_floating_point() else value).numpy()
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _pack(value: Any, key: str, arrays: dict[str, np.ndarray], *, picture: bool) -> Any:
    if hasattr(value, "hidden_ids"):
        value = value.volume()  # a TokenMask, kept as its hidden tokens (B, t, h, w)
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if hasattr(value, "detach") or isinstance(value, np.ndarray):
        arrays[key] = as_frames(value, key) if picture else _array(value)
        return {"array": key}
    if isinstance(value, Mapping):
        items = {str(name): _pack(item, f"{key}/{name}", arrays, picture=picture) for name, item in value.items()}
        return {"mapping": list(items.items())}  # pairs, because sorted JSON would forget the order of rows
    if isinstance(value, list | tuple):
        return [_pack(item, f"{key}/{i}", arrays, picture=picture) for i, item in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return {"number": str(value)}  # JSON has no word for it
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise OptionError(
        f"{key} cannot be recorded with a figure: wanted an array, number or text, got {type(value).__name__}"
    )


def _unpack(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if "array" in value:
            return arrays[value["array"]]
        if "number" in value:
            return float(value["number"])
        return {name: _unpack(item, arrays) for name, item in value["mapping"]}
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    return value
