"""The wait for a picture is measured in a page, and refused where there is nothing to measure."""

import json
import statistics

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from mvkit.bench.lab import find_chromium
from mvkit.bench.ui import measure
from mvkit.errors import RunError

PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
SOURCE = """
import numpy as np
from mvkit.widgets import Control, Explorer

class Grey(Explorer):
    title = "Grey"

    @property
    def controls(self):
        return (Control("shade", "int", 50, low=0, high=100),)

    def render(self, shade):
        return np.full((60, 90, 3), 2 * shade, np.uint8)

Grey()
"""


@pytest.fixture
def notebook(tmp_path):
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine to open JupyterLab with")
    path = tmp_path / "grey.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(SOURCE)], metadata=PYTHON), path)
    return path


@pytest.mark.browser
def test_every_move_is_timed_in_the_page_and_kept_with_the_machine(notebook, tmp_path):
    found = measure(notebook, slider="shade", moves=8, out=tmp_path / "ui.json")
    assert len(found.moves_ms) == 8
    assert all(0 < one < 20_000 for one in found.moves_ms)
    assert found.median_ms == statistics.median(found.moves_ms)
    assert found.median_ms <= found.p95_ms <= max(found.moves_ms)
    assert found.picture == (90, 60)
    kept = json.loads((tmp_path / "ui.json").read_text())
    assert kept["bench"] == "ui"
    assert kept["machine"]["browser"].startswith("Chromium")


def test_one_move_is_too_few_and_said_before_anything_starts(tmp_path):
    with pytest.raises(RunError, match="moves must be at least 2"):
        measure(tmp_path / "none.ipynb", moves=1)
