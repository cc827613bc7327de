"""Runs killed at random moments: none is lost, none is falsely done, and each ends with an undisturbed run's results.

MVKIT_FAULT_RUNS says how many, 3 by default; MVKIT_FAULT_SEED repeats the moments of an earlier call.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from hashlib import sha256

import psutil
import pytest

from mvkit.runs import Parameters, RunFolder, read_status, run_notebook
from mvkit.runs.files import read_json
from mvkit.runs.notebook import code_hash
from mvkit.runs.session import FOLDER_VARIABLE

RUNS = int(os.environ.get("MVKIT_FAULT_RUNS", "3"))
SEED = int(os.environ.get("MVKIT_FAULT_SEED", random.randrange(10**6)))
# Each step hangs on the one before; the state is saved after each, as a training saves its checkpoint.
WORK = """import hashlib, json, os, time
import mvkit
run = mvkit.runs.begin(parameters=globals(), notebook="small")
saved, state = run.checkpoint / "state.json", {"step": 0, "value": str(seed)}
state = json.loads(saved.read_text()) if saved.exists() else state"""
STEPS = """while state["step"] < 20:
    time.sleep(0.1)
    state = {"step": state["step"] + 1, "value": hashlib.sha256(state["value"].encode()).hexdigest()}
    beside = saved.with_suffix(".new")
    beside.write_text(json.dumps(state))
    beside.replace(saved)
    run.log(step=state["step"], value=state["value"])"""
END = "run.finish(**state)"


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """`mvkit` in a process of its own, with the hash of the code this one has read."""
    fixed = f"import sys, mvkit.runs.folder\nmvkit.runs.folder.code_hash = lambda: {code_hash()!r}\n"
    code = f"{fixed}from mvkit.cli import call\nsys.exit(call({list(arguments)!r}))"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kernels(folder: RunFolder) -> list[int]:
    """Processes that work for this run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(FOLDER_VARIABLE) == str(folder.path) and process.pid != os.getpid():
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def running(folders: list[RunFolder]) -> list[RunFolder]:
    return [folder for folder in folders if read_status(folder)["state"] == "running"]


def undisturbed(seed: int) -> str:
    """What 20 steps come to."""
    value = str(seed)
    for _ in range(20):
        value = sha256(value.encode()).hexdigest()
    return value


def kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it was quicker
            continue


@pytest.mark.slow
def test_runs_killed_at_random_moments_end_as_an_undisturbed_one(tmp_path, make_notebook):
    dice = random.Random(SEED)
    path = make_notebook(tmp_path, WORK, STEPS, END, parameters="seed: int = 0  # of the work")
    values = Parameters.read(path).resolve()
    began = time.monotonic()
    clean = run_notebook(path, values, progress=False, out=tmp_path / "undisturbed").folder
    assert read_json(clean.results) == {"step": 20, "value": undisturbed(0)}
    whole = time.monotonic() - began
    counts = {"kernel": 0, "runner": 0, "both": 0, "ended before": 0}
    for number in range(RUNS):
        folder = RunFolder.of(path, {"seed": number})
        what, moment = dice.choice(("kernel", "runner", "both")), dice.uniform(0.1, 1.1) * whole
        process = start("run", str(path), "-p", f"seed={number}")
        time.sleep(moment)
        ended = process.poll() is not None
        counts["ended before" if ended else what] += 1
        if what != "runner":
            kill(kernels(folder))
        if what != "kernel":
            process.kill()
        process.wait(timeout=600)
        status, told = read_status(folder), f"seed {SEED}, run {number}: {what} at {moment:.2f} s"
        complete = read_json(folder.results).get("step") == 20
        assert status["state"] in ("missing", "killed", "failed", "done"), (told, status)
        assert status["state"] != "done" or (complete and folder.report.exists()), (told, status)
        again = run_notebook(path, {"seed": number}, progress=False)
        assert again.done, (told, again.status)
        assert again.shown is (status["state"] == "done"), told
        assert read_json(folder.results) == {"step": 20, "value": undisturbed(number)}, told
        steps = [json.loads(line)["step"] for line in folder.metrics.read_text().splitlines()]
        assert set(steps) >= set(range(1, 20)), told
        assert kernels(folder) == [], told
    print(f"{RUNS} runs, seed {SEED}: {counts}, {time.monotonic() - began:.0f} s")


@pytest.mark.slow
def test_a_sweep_whose_driver_runners_and_kernels_are_killed_ends_as_an_undisturbed_one(
    tmp_path, make_notebook, monkeypatch
):
    dice = random.Random(SEED)
    path = make_notebook(tmp_path, WORK, STEPS, END, parameters="seed: int = 0  # of the work")
    monkeypatch.chdir(tmp_path)
    folders = [RunFolder.of(path, {"seed": number}) for number in range(RUNS)]
    arguments = ("sweep", "small", "-g", f"seed=0..{RUNS - 1}", "-j", "2")
    counts, began = {"driver": 0, "runner": 0, "kernel": 0}, time.monotonic()
    code, calls = None, 0
    while code != 0 and calls < 3 * RUNS:
        driver, calls = start(*arguments), calls + 1
        while driver.poll() is None and sum(counts.values()) < RUNS:
            if not running(folders):  # kernels take a second to start: only a sleep counted from then surely meets one
                time.sleep(0.05)
                continue
            time.sleep(dice.uniform(0, 2))
            one, what = dice.choice(running(folders) or [None]), dice.choice(list(counts))
            if what == "driver":
                hit = [driver.pid] if driver.poll() is None else []
            elif what == "runner":
                hit = [read_status(one)["pid"]] if one else []
            else:
                hit = kernels(one) if one else []
            kill(hit)
            counts[what] += bool(hit)
        code = driver.wait(timeout=120 + 30 * RUNS)
        done = [folder for folder in folders if read_status(folder)["state"] == "done"]
        assert all(read_json(folder.results).get("step") == 20 for folder in done), (SEED, counts)
    assert code == 0 and sum(counts.values()), (SEED, counts, calls, [read_status(folder) for folder in folders])
    for number, folder in enumerate(folders):
        assert read_json(folder.results) == {"step": 20, "value": undisturbed(number)}, (SEED, number)
        assert read_status(folder)["state"] == "done" and kernels(folder) == [], (SEED, number)
    print(f"a sweep of {RUNS} runs in {calls} calls, seed {SEED}: {counts}, {time.monotonic() - began:.0f} s")
