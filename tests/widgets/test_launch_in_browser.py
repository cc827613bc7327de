"""A training cell in a real JupyterLab: the kernel is restarted while it trains; the cell run again finds the job."""

import json
import os

import nbformat
import psutil
import pytest

import mvkit
from tests.train.processes import SPEC

pytestmark = [pytest.mark.browser, pytest.mark.slow]
STEPS = 100_000  # far more than the test sees
CELL = "import mvkit\nmvkit.launch(mvkit.RunSpec.read('spec.json'), out='run', processes=1).watch()"
SHOWN = "() => +document.querySelector('.mvkit-picture')?.dataset.version > 0 && /step [1-9]/.test(%s)"
FACTS = "document.querySelector('.mvkit-facts')?.textContent"


@pytest.fixture
def page(lab, tmp_path, monkeypatch):
    folder = lab.folder / "notebooks"
    spec = SPEC | {"steps": STEPS, "image": 32, "monitor_every": 20, "checkpoint_every": 100, "log_every": 5}
    (folder / "spec.json").write_text(json.dumps(spec))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, tmp_path / "train.ipynb")
    opened = lab.open(tmp_path / "train.ipynb", timeout=480, run=False)
    opened.set_default_timeout(900_000)  # of a busy machine
    yield opened
    job = mvkit.attach(folder / "run")
    if psutil.pid_exists(job.status.get("pid", 0)):
        job.stop()


def run(page) -> None:
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")


def trains(page) -> str:
    """Wait until a picture with a step is under the cell; what stands there."""
    page.wait_for_function(SHOWN % FACTS)
    return page.locator(".mvkit-facts").first.inner_text()


def test_a_restarted_kernel_finds_the_job_that_it_trains(page, lab):
    run(page)
    assert "1 process started" in trains(page)
    job = mvkit.attach(lab.folder / "notebooks" / "run")
    before = job.status["pid"]
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.wait_for_function("() => !document.querySelector('.mvkit-picture')")
    assert job.state == "running"
    run(page)
    assert f"1 process started by process {before}" in trains(page)
    page.wait_for_timeout(3000)
    if where := os.environ.get("MVKIT_SCREENSHOT"):
        page.screenshot(path=where)
    steps = [json.loads(line)["step"] for line in (job.folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)
    job.stop()
    page.get_by_text("the same call goes on from there").first.wait_for()
    assert "stopped, step_" in page.locator(".mvkit-facts").first.inner_text()
    assert not lab.errors
