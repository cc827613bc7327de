"""mvkit: masked video modelling, seen, trained and compared.

`import mvkit` is light: a room (`mvkit.maskers`, `mvkit.data`, ...) and torch behind it load at first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mvkit.tokens import TokenGrid as TokenGrid
from mvkit.version import __version__ as __version__

if TYPE_CHECKING:
    from mvkit import cards, checkpoints, data, eval, inspect, losses, maskers, methods, models, runs, train, viz
    from mvkit.runs.job import attach, launch
    from mvkit.train import RunSpec, fit

_ROOMS = (
    "cards",
    "checkpoints",
    "data",
    "eval",
    "inspect",
    "losses",
    "maskers",
    "methods",
    "models",
    "runs",
    "train",
    "viz",
)
_ITEMS = {"RunSpec": "train", "attach": "runs.job", "fit": "train", "launch": "runs.job"}

__all__ = [
    "RunSpec",
    "TokenGrid",
    "__version__",
    "attach",
    "cards",
    "checkpoints",
    "data",
    "eval",
    "fit",
    "inspect",
    "launch",
    "losses",
    "maskers",
    "methods",
    "models",
    "runs",
    "train",
    "viz",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"mvkit.{name}")
    if name in _ITEMS:
        return getattr(import_module(f"mvkit.{_ITEMS[name]}"), name)
    raise AttributeError(f"module 'mvkit' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
