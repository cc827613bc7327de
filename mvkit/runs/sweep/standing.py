"""How each run of a plan stands, told from the runs' own status files and nothing else.

done      nothing to do                       failed   a Python error; runs again only when asked to
running   another process works on it         skipped  a run it reads has failed
open      it runs: new, interrupted, killed, timed out, out of memory; it goes on from its checkpoint, if it has one
waiting   it runs once those it reads are done
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mvkit.runs.status import read_status
from mvkit.runs.sweep.plan import Plan, Planned

# A notebook that raised will raise again; everything else may end better the next time.
_FINAL = ("exception", "usage")


@dataclass(frozen=True)
class Standing:
    """state: one of the words above; cause: one line where it failed, was interrupted or is skipped."""

    run: Planned
    state: str
    cause: str
    status: Mapping[str, Any]

    @property
    def resumes(self) -> bool:
        """Has it a checkpoint to go on from?"""
        folder = self.run.folder.checkpoint
        return self.state in ("open", "waiting") and folder.is_dir() and any(folder.iterdir())


def standings(plan: Plan, *, retry_failed: bool = False) -> dict[str, Standing]:
    """By run name, in the plan's order. retry_failed: runs that raised an error are open, too."""
    found: dict[str, Standing] = {}
    for name, run in plan.runs.items():
        status = read_status(run.folder)
        state, cause = state_of(status, retry_failed=retry_failed)
        needs = [found[need] for need in run.needs]
        if state == "open":
            state, cause = held_back(needs) or (state, cause)
        found[name] = Standing(run, state, cause, status)
    return found


def state_of(status: Mapping[str, Any], *, retry_failed: bool = False) -> tuple[str, str]:
    """State and cause of one run by itself."""
    cause = status.get("cause", "")
    match status["state"]:
        case "done":
            return "done", ""
        case "running" | "queued":
            return "running", ""
        case "failed" if final(status) and not retry_failed:
            return "failed", cause
    return "open", cause


def held_back(needs: list[Standing]) -> tuple[str, str] | None:
    """("skipped", why) or ("waiting", for what), None where all that is needed is done."""
    for need in needs:
        if need.state in ("failed", "skipped"):
            return "skipped", f"needs {need.run.name}, {need.state}: {need.cause}"
    if missing := [need.run.name for need in needs if need.state != "done"]:
        return "waiting", f"for {', '.join(missing)}"
    return None


def final(status: Mapping[str, Any]) -> bool:
    """Did the notebook itself raise, so that running it again would change nothing?"""
    return status.get("kind", "exception") in _FINAL
