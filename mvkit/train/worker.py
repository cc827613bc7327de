"""One process of a run that torch.distributed.run starts:

    python -m torch.distributed.run --standalone --nproc-per-node 2 -m mvkit.train.worker SPEC.json --out DIR

Exit codes: 0 done, 75 saved and to be called again (SIGTERM, time limit), 130 interrupted, 2 refused or failed; the
cause is the last line on stderr and, for the agent above, in its error file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
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
from mvkit.train.watch import Monitor


def main() -> None:
    """Parse, train, exit with the code that says how it ended."""
    wanted = argparse.ArgumentParser(prog="mvkit.train.worker")
    wanted.add_argument("spec", type=Path, help="JSON file with fields of RunSpec")
    wanted.add_argument("--out", type=Path, required=True, help="folder of the run")
    wanted.add_argument("--monitor", default="", help="module:function that makes a monitor from (spec, manifest)")
    given = wanted.parse_args()
    try:
        _train(given.spec, given.out, given.monitor)
    except Requeue as stop:
        _leave(str(stop), REQUEUE)
    except KeyboardInterrupt as stop:
        _leave(str(stop) or "interrupted", 130)
    except MvkitError as err:
        _leave(f"process {os.environ.get('RANK', 0)}: {err}", 2)
    _leave("", 0)


@record
def _train(path: Path, out: Path, monitor: str) -> None:
    spec = RunSpec.read(path)
    # Connected before anything slow, so that a process that is missing is noticed at once.
    team = open_team(str(choose_device(spec.device)), spec.batch, spec.timeout)
    if team.leads:
        _say(spec.per_step(team.world))
    fit(spec, out=out, monitor=_monitor(monitor, spec) if team.leads else _nobody, progress=_report)


def _monitor(name: str, spec: RunSpec) -> Monitor | None:
    """What `module:function` makes of (spec, manifest); None where nothing is watched."""
    if not spec.monitor_every:
        return None
    module, _, function = name.partition(":")
    if not function:
        raise OptionError(f"monitor_every={spec.monitor_every} needs --monitor module:function, got '{name}'")
    return getattr(import_module(module), function)(spec, open_manifest(spec))


def _nobody(method: object) -> dict[str, float]:
    """The monitor of a process that does not lead; nobody asks it."""
    return {}


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
