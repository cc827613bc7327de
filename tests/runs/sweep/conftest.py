"""A project of two notebooks, a teacher and a student that reads a run of it; a run takes two seconds and no torch."""

from pathlib import Path

import pytest

PARAMETERS = """ratio: float = 0.5  # share hidden (0..1)
seed: int = 0  # of everything [0..1000000]
rate: float = 1e-3  # learning rate [0..]
flag: bool = False  # a switch
masker: str = "tube"  # strategy {tube, random}
layers: list[int] = [1]  # layers to show [0..12]
note: str | None = None  # a word for the report
teacher: str = ""  # run:<folder>; empty for none"""


@pytest.fixture
def project(tmp_path, make_notebook, monkeypatch) -> Path:
    """Folder with notebooks/teach.ipynb and learn.ipynb, the working folder of the test."""
    for name in ("teach", "learn"):
        make_notebook(tmp_path, "1", name=name, parameters=PARAMETERS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


BEGIN = """import mvkit, os, signal, time
from pathlib import Path
run = mvkit.runs.begin(parameters=globals(), notebook='work')"""
# Waits for the test, is killed, saves, fails: as the parameters ask. `began` has a line for every start.
BODY = """with open("began", "a") as file:
    file.write(f"{seed}\\n")
if teacher:
    assert (Path(teacher.removeprefix("run:")) / "results.json").exists()
if do == "fail":
    raise RuntimeError("as asked")
if do == "kill once" and not (run.checkpoint / "state").exists():
    (run.checkpoint / "state").write_text("saved")
    os.kill(os.getpid(), signal.SIGKILL)
if do == "wait":
    try:
        while not Path("go").exists():
            time.sleep(0.05)
    except KeyboardInterrupt:
        (run.checkpoint / "state").write_text("saved")
        raise
state = (run.checkpoint / "state").exists()
run.finish(loss=seed + 0.5, resumed=state, threads=int(os.environ["OMP_NUM_THREADS"]))"""
WORK = """do: str = "finish"  # what {finish, fail, kill once, wait}
seed: int = 0  # of everything
teacher: str = ""  # run:<folder>; empty for none"""


@pytest.fixture
def work(tmp_path, make_notebook, monkeypatch) -> Path:
    """Folder with notebooks/work.ipynb, a notebook that does what its parameters ask; the working folder."""
    make_notebook(tmp_path, BEGIN, BODY, name="work", parameters=WORK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return tmp_path
