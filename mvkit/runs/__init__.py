"""Runs: a notebook's parameters, its folder, its honest status, its report.

`begin` is what a notebook calls, `run_notebook` what the command line calls.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvkit.runs.explorer import RunExplorer
    from mvkit.runs.folder import RunFolder
    from mvkit.runs.glimpse import Glimpse
    from mvkit.runs.parameters import Parameters
    from mvkit.runs.pictures import Pictures
    from mvkit.runs.run import Outcome, run_notebook
    from mvkit.runs.session import Session, begin
    from mvkit.runs.status import read_status

# nbclient, papermill and nbconvert take a second to load; a notebook that only calls `begin` needs none of them.
_ITEMS = {
    "Glimpse": "glimpse",
    "Outcome": "run",
    "Parameters": "parameters",
    "Pictures": "pictures",
    "RunExplorer": "explorer",
    "RunFolder": "folder",
    "Session": "session",
    "begin": "session",
    "read_status": "status",
    "run_notebook": "run",
}

__all__ = [
    "Glimpse",
    "Outcome",
    "Parameters",
    "Pictures",
    "RunExplorer",
    "RunFolder",
    "Session",
    "begin",
    "read_status",
    "run_notebook",
]


def __getattr__(name: str) -> Any:
    if name in _ITEMS:
        return getattr(import_module(f"mvkit.runs.{_ITEMS[name]}"), name)
    raise AttributeError(f"module 'mvkit.runs' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
