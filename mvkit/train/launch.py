"""A run in processes of this machine, started from one and ended with it: torch.distributed.run, with causes.

`torch.distributed.run` itself ends with 1 whatever its children say; here their exit codes decide.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from mvkit.errors import OptionError, RunError
from mvkit.train.interrupt import REQUEUE, Requeue

# Seconds that processes have to finish a step and save, after SIGTERM.
GRACE = 120


def fit_in_processes(spec: Path, out: Path, processes: int, *, monitor: str = "", look: str = "") -> None:
    """Train the spec in a file in `processes` children, to the end; SIGTERM and SIGINT reach them and save.

    monitor, look: as for `mvkit.train.worker`. Raises Requeue where the children saved and want to be called again,
    RunError with the cause where one failed or died, OptionError for no process at all.
    """
    if processes < 1:
        raise OptionError(f"processes must be 1 or more, got {processes}")
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=f"mvkit-{os.getpid()}",
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        monitor_interval=0.5,
        shutdown_timeout=GRACE,
    )
    command = ["-m", "mvkit.train.worker", str(spec), "--out", str(out), f"--monitor={monitor}", f"--look={look}"]
    # Else every process takes all cores.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // processes)))
    try:
        elastic_launch(config, sys.executable)(*command)
    except ChildFailedError as err:
        raise _ended(err) from None
    except SignalException as stop:
        said = "stopped and saved, if a step was done"
        raise Requeue(said) if stop.sigval == signal.SIGTERM else KeyboardInterrupt(said) from None


def _ended(err: ChildFailedError) -> BaseException:
    codes = [failure.exitcode for failure in err.failures.values()]
    if REQUEUE in codes:
        return Requeue("stopped and saved")
    if 130 in codes:
        return KeyboardInterrupt("stopped and saved")
    # Who was killed comes first: the others fail because it is gone, and their word may be the earlier one.
    killed = [item for item in err.failures.items() if item[1].exitcode in (-signal.SIGKILL, -signal.SIGSEGV)]
    rank, first = killed[0] if killed else err.get_first_failure()
    return RunError(f"process {rank} {_cause(first)}")


def _cause(failure: ProcessFailure) -> str:
    if failure.exitcode < 0:
        name = signal.Signals(-failure.exitcode).name
        return f"was killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
    if Path(failure.error_file).is_file():  # else torch says how to get one
        said: Any = failure.message  # of a torch that writes what was raised as a record, the record
        words = said.get("message", "") if isinstance(said, dict) else said
        return f"failed: {(str(words).strip().splitlines() or ['without a word'])[-1]}"
    return f"ended with exit code {failure.exitcode}; its last words are above"
