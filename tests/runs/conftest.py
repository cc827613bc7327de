"""Tiny notebooks made by the tests; none loads torch, so a run takes two or three seconds."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = """steps: int = 3  # optimiser steps [1..100]
rate: float = 1e-3  # learning rate (0..1]
flag: bool = False  # a switch
masker: str = "tube"  # strategy {tube, random}
layers: list[int] = [1, 2]  # layers to show [0..12]
note: str | None = None  # a word for the report"""

Maker = Callable[..., Path]


@pytest.fixture(scope="session")
def make_notebook() -> Maker:
    """make(folder, *code, name=, parameters=) -> folder/notebooks/<name>.ipynb: title, parameters, code cells."""

    def make(folder: Path, *code: str, name: str = "small", parameters: str = PARAMETERS) -> Path:
        title = new_markdown_cell("# A small run\n\nTokens: $N = t \\times h \\times w$.\n\n## The part that runs")
        typed = new_code_cell(parameters, metadata={"tags": ["parameters"]})
        nb = new_notebook(
            cells=[title, typed, *map(new_code_cell, code)],
            # A kernel that no machine has: the runner must not look for it.
            metadata={"kernelspec": {"name": "no-such-kernel", "display_name": "none", "language": "python"}},
        )
        path = folder / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nb, path)
        return path

    return make
