"""Explorers: pictures with controls, in JupyterLab and, without a kernel, in reports.

An explorer is plain Python: `render`, `describe` and `figure` need neither a kernel nor ipywidgets, which load only
when a panel is shown.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvkit.widgets.attention import AttentionExplorer
    from mvkit.widgets.controls import Control
    from mvkit.widgets.explorer import Explorer
    from mvkit.widgets.footage import Footage
    from mvkit.widgets.masks import MaskExplorer
    from mvkit.widgets.similarity import SimilarityExplorer

_ITEMS = {
    "AttentionExplorer": "attention",
    "Control": "controls",
    "Explorer": "explorer",
    "Footage": "footage",
    "MaskExplorer": "masks",
    "SimilarityExplorer": "similarity",
}

__all__ = ["AttentionExplorer", "Control", "Explorer", "Footage", "MaskExplorer", "SimilarityExplorer"]


def __getattr__(name: str) -> Any:
    if name in _ITEMS:
        return getattr(import_module(f"mvkit.widgets.{_ITEMS[name]}"), name)
    raise AttributeError(f"module 'mvkit.widgets' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
