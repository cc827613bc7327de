"""What can end a run from outside, one by one: what status.json, the folder and the exit code say afterwards."""

import json
import os
import pty
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest

from mvkit.errors import OptionError
from mvkit.runs import Parameters, RunFolder, read_status, run_notebook
from mvkit.runs.execution import kind_of
from mvkit.runs.files import DiskFull, write_json_atomic
from mvkit.runs.notebook import code_hash
from mvkit.runs.status import Status

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, pseudo terminals and mounts of POSIX")

BEGIN = "import mvkit\nrun = mvkit.runs.begin(parameters=globals(), notebook='small')"
# The cell that sleeps the first time only, with a worker that would outlive its kernel.
SLEEP = """import os, subprocess, sys, time
first = not (run.checkpoint / "worker").exists()
if first:
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(90)"], start_new_session=True)
    (run.checkpoint / "kernel").write_text(str(os.getpid()))
    (run.checkpoint / "worker").write_text(str(worker.pid))
    time.sleep(90)
run.finish(first=first)"""


def command(path: Path) -> list[str]:
    """`mvkit run` for a process of its own, with the hash of the code this one has read."""
    fixed = f"import sys, mvkit.runs.folder\nmvkit.runs.folder.code_hash = lambda: {code_hash()!r}\n"
    return [sys.executable, "-c", f"{fixed}from mvkit.cli import call\nsys.exit(call(['run', {str(path)!r}]))"]


def wait_for(what: Path, process: subprocess.Popen[str]) -> int:
    """The number in a file, as soon as the run has written it."""
    end = time.monotonic() + 120
    while not (what.exists() and what.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    return int(what.read_text())


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["kernel", "runner", "both"])
def test_after_kill_9_the_status_is_killed_and_the_same_call_ends_what_was_left_and_goes_on(
    tmp_path, make_notebook, killed
):
    path = make_notebook(tmp_path, BEGIN, SLEEP)
    folder = RunFolder.of(path, Parameters.read(path).resolve())
    process = subprocess.Popen(command(path), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    worker = wait_for(folder.checkpoint / "worker", process)
    kernel = int((folder.checkpoint / "kernel").read_text())
    for pid in {"kernel": [kernel], "runner": [process.pid], "both": [process.pid, kernel]}[killed]:
        os.kill(pid, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    status = read_status(folder)
    assert (status["state"], status["cell"]) == ("killed", 4)
    assert status["kind"] == ("kernel" if killed == "kernel" else "runner")
    if killed == "kernel":
        assert process.returncode == 4
        assert "killed in cell 4 of 4: the kernel died by SIGKILL; it held" in err
        assert status["memory_mb"] > 10
        assert folder.partial.exists()
    again = run_notebook(path, progress=False, retry=False)
    assert again.done
    assert json.loads(folder.results.read_text()) == {"first": False}
    assert not alive(worker)
    assert not alive(kernel)


def test_a_closed_terminal_interrupts_the_run_and_lets_the_cell_save(tmp_path, make_notebook):
    code = """import time
(run.checkpoint / "asleep").write_text("1")
try:
    time.sleep(90)
except KeyboardInterrupt:
    (run.checkpoint / "saved").touch()
    raise"""
    path = make_notebook(tmp_path, BEGIN, code)
    folder = RunFolder.of(path, Parameters.read(path).resolve())
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, command(path))
    end = time.monotonic() + 120
    while not (folder.checkpoint / "asleep").exists():
        assert time.monotonic() < end
        os.read(terminal, 1024)
    os.close(terminal)
    _, ended = os.waitpid(pid, 0)
    status = json.loads(folder.status.read_text())
    assert (status["state"], status["cause"]) == ("interrupted", "signal SIGHUP")
    assert (folder.checkpoint / "saved").exists()
    assert os.waitstatus_to_exitcode(ended) == 130


def test_a_cell_has_a_time_limit_of_its_own(tmp_path, make_notebook):
    path = make_notebook(tmp_path, "import time\ntime.sleep(0.2)", "time.sleep(90)")
    late = run_notebook(path, progress=False, cell_timeout=5, timeout=100)
    assert late.exit_code == 5
    assert (late.status["state"], late.status["kind"], late.status["cell"]) == ("failed", "timeout", 4)
    assert late.status["cause"] == "the cell's time limit of 5 s is over"
    with pytest.raises(OptionError, match="cell_timeout must be seconds above 0"):
        run_notebook(path, cell_timeout=0)


def test_a_run_out_of_memory_says_so_and_how_much_it_held(tmp_path, make_notebook):
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    code = f"""import resource, time
time.sleep(3)
resource.setrlimit(resource.RLIMIT_AS, (2 * 10**9, {most}))
bytearray(10**11)"""
    path = make_notebook(tmp_path, "a = bytearray(200_000_000)", code)
    short = run_notebook(path, progress=False)
    assert short.exit_code == 6
    assert (short.status["state"], short.status["kind"], short.status["cause"]) == ("failed", "memory", "MemoryError")
    assert short.status["memory_mb"] > 200


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "memory"),
        ("_ArrayMemoryError: Unable to allocate 8 TiB for an array", "memory"),
        ("RuntimeError: [enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory", "memory"),
        ("OSError: [Errno 28] No space left on device: 'a.bin'", "disk"),
        ("DiskFull: results.json could not be written", "disk"),
        ("KeyError: 'memory'", "exception"),
    ],
)
def test_what_the_libraries_say_of_memory_and_disk_is_understood(said, kind):
    assert kind_of(said) == kind


def test_a_kernel_that_the_system_has_killed_for_want_of_memory_is_told_from_one_that_someone_has(
    tmp_path, make_notebook, monkeypatch
):
    counts = iter((4, 5))
    monkeypatch.setattr("mvkit.runs.execution._memory_kills", lambda: next(counts))
    path = make_notebook(tmp_path, "import os\nos.kill(os.getpid(), 9)")
    short = run_notebook(path, progress=False)
    assert (short.exit_code, short.status["state"], short.status["kind"]) == (6, "killed", "memory")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]).returncode:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


FILL = """from contextlib import suppress
def fill(size):
    with suppress(OSError), (run.folder / "fill").open("ab", buffering=0) as file:
        while file.write(bytes(size)):
            pass
fill(4096)
fill(1)"""


@pytest.mark.parametrize("last", ["print('x' * 100_000)", "run.log(loss=1.0)", "run.save_results(a='x' * 5000)"])
def test_a_full_disk_leaves_a_readable_state_and_a_clear_error(tmp_path, make_notebook, small_disk, last):
    path = make_notebook(tmp_path, BEGIN, f"{FILL}\n{last}", "run.finish()")
    full = run_notebook(path, out=small_disk, progress=False)
    assert full.exit_code == 7
    status = json.loads(full.folder.status.read_text())
    assert status == full.status
    assert (status["state"], status["kind"], status["cell"]) == ("failed", "disk", 4)
    assert "No space left on device" in status["cause"]
    assert not list(full.folder.path.glob(".*.json.*"))
    (full.folder.path / "fill").unlink()
    assert run_notebook(path, out=small_disk, progress=False, force=True).exit_code == 7  # it fills it again


def test_a_disk_that_is_full_before_the_start_is_refused_with_its_own_code(tmp_path, make_notebook, small_disk, capsys):
    from mvkit.cli import call

    path = make_notebook(tmp_path, BEGIN)
    (small_disk / "fill").write_bytes(bytes(2 * 1024 * 1024 - 8192))
    assert call(["run", str(path), "--out", str(small_disk)]) == 7
    err = capsys.readouterr().err
    assert "No space left on device; free space or choose another --out" in err
    assert err.count("\n") == 1


def test_the_last_word_finds_room_where_nothing_else_does(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    folder.prepare({})
    status = Status(folder, notebook="small.ipynb", runner="mvkit run")

    def write(path: Path, data: object) -> None:
        if (folder.path / ".reserve").exists():
            raise DiskFull(f"{path} could not be written: No space left on device")
        write_json_atomic(path, data)

    monkeypatch.setattr("mvkit.runs.status.write_json_atomic", write)
    status.end("failed", kind="disk", cause="full")
    assert json.loads(folder.status.read_text())["kind"] == "disk"


def test_a_run_that_failed_by_its_own_error_is_shown_and_runs_again_on_request(tmp_path, make_notebook, capsys):
    from mvkit.cli import call

    path = make_notebook(tmp_path, "open('ran', 'a').write('x')", "1 / 0")
    for words, tries, shown in (([], 1, False), ([], 1, True), (["--retry"], 2, False)):
        assert call(["run", str(path), *words]) == 1
        assert len((tmp_path / "ran").read_text()) == tries
        said = "failed before, not run again (--retry runs it), in cell 4 of 4: ZeroDivisionError"
        assert (said in capsys.readouterr().err) is shown


def test_of_two_runners_started_at_once_one_works_and_one_says_so(tmp_path, make_notebook):
    path = make_notebook(tmp_path, BEGIN, "import time\ntime.sleep(8)", "run.finish()")
    both = [subprocess.Popen(command(path), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) == [0, 3], said
    assert "already running" in said[codes.index(3)]


def test_runs_in_threads_work_each_in_its_own_project(tmp_path, make_notebook):
    paths = [make_notebook(tmp_path / name, BEGIN, "import os\nrun.finish(where=os.getcwd())") for name in ("a", "b")]
    threads = [threading.Thread(target=run_notebook, args=[path], kwargs={"progress": False}) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for path in paths:
        folder = RunFolder.of(path, Parameters.read(path).resolve())
        assert json.loads(folder.results.read_text()) == {"where": str(path.parents[1])}


def test_partial_notebooks_are_notebooks(tmp_path, make_notebook):
    path = make_notebook(tmp_path, "print('kept')", "import os\nos.kill(os.getpid(), 9)")
    folder = run_notebook(path, progress=False).folder
    assert not folder.notebook.exists()
    assert nbformat.read(folder.partial, as_version=4).cells[3].outputs[0].text == "kept\n"
