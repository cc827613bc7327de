"""One process of a run that torch.distributed.run starts:

    python -m torch.distributed.run --standalone --nproc-per-node 2 -m mvkit.train.worker SPEC.json --out DIR

Exit codes: 0 done, 75 saved and to be called again (SIGTERM, time limit), 130 interrupted, 2 refused or failed; the
cause is the last line on stderr and, for the agent above, in its error file.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import record

from mvkit.errors import MvkitError, OptionError
from mvkit.train.interrupt import REQUEUE, Requeue
from mvkit.train.loop import fit
from mvkit.train.parallel import open_team
from mvkit.train.precision import choose_device
from mvkit.train.source import open_manifest
from mvkit.train.spec import RunSpec


def main() -> None:
    """Parse, train, exit with the code that says how it ended."""
    wanted = argparse.ArgumentParser(prog="mvkit.train.worker")
    wanted.add_argument("spec", type=Path, help="JSON file with fields of RunSpec")
    wanted.add_argument("--out", type=Path, required=True, help="folder of the run")
    wanted.add_argument("--monitor", default="", help="module:function that makes a monitor from (spec, manifest)")
    wanted.add_argument("--look", default="", help="module:function that makes a look from (spec, manifest, out)")
    given = wanted.parse_args()
    _save_if_parent_dies()
    try:
        _train(given.spec, given.out, given.monitor, given.look)
    except Requeue as stop:
        _leave(str(stop), REQUEUE)
    except KeyboardInterrupt as stop:
        _leave(str(stop) or "interrupted", 130)
    except MvkitError as err:
        _leave(f"process {os.environ.get('RANK', 0)}: {err}", 2)
    _leave("", 0)


@record
def _train(path: Path, out: Path, monitor: str, look: str) -> None:
    spec = RunSpec.read(path)
    # Connected before anything slow, so that a process that is missing is noticed at once.
    team = open_team(str(choose_device(spec.device)), spec.batch, spec.timeout)
    if team.leads:
        _say(spec.per_step(team.world))
    watched = team.leads and spec.monitor_every
    if watched and not (monitor or look):
        raise OptionError(f"monitor_every={spec.monitor_every} needs --monitor module:function, or --look")
    manifest = open_manifest(spec) if watched else None
    fit(
        spec,
        out=out,
        monitor=_named(monitor)(spec, manifest) if watched and monitor else None if team.leads else _nobody,
        look=_named(look)(spec, manifest, out) if watched and look else None,
        progress=_report,
    )


def _named(name: str) -> Callable[..., Any]:
    """What `module:function` names. Raises OptionError."""
    module, _, function = name.partition(":")
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as err:
        raise OptionError(f"'{name}' must be module:function, as mvkit.runs.looks:scores: {err}") from None


def _nobody(method: object) -> dict[str, float]:
    """The monitor of a process that does not lead; nobody asks it."""
    return {}


def _save_if_parent_dies() -> None:
    """SIGTERM from the system when the process that started this one is gone: nobody would end it, or say how it goes.

    On Linux only; elsewhere what is left behind is ended when the run is called again.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _report(line: dict[str, Any]) -> None:
    _say(json.dumps(line))


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _leave(text: str, code: int) -> None:
    if text:
        _say(text)
    if dist.is_initialized() and code in (0, REQUEUE):
        dist.destroy_process_group()  # it waits for the others, who are lost in the other cases
    # Not sys.exit: a thread that waits for a lost process must not keep this one alive.
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
