"""Which runs a site is about: all of a reports folder, those named one by one, or those of a sweep.

Runs that a sweep has planned and that never began are among them, with what they wait for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from mvkit.errors import RunError
from mvkit.runs.account import Account
from mvkit.runs.files import read_json
from mvkit.runs.folder import RunFolder, find_runs


def choose(reports: Path, asked: Sequence[str] = ()) -> list[Account]:
    """Accounts of the runs, those last begun first, each once.

    asked: run folders, <notebook>, <notebook>/<start of id>, sweeps/<name>, other reports folders; nothing: all runs
    in `reports` and of its sweeps. Raises RunError for a name without a run, and for one run in two folders.
    """
    found: dict[str, Account] = {}
    for account in chain.from_iterable(_named(reports, name) for name in asked) if asked else _all(reports):
        other = found.setdefault(account.name, account)
        if other.folder.path != account.folder.path:
            raise RunError(f"{account.name} is in {other.folder.path} and in {account.folder.path}: give one of them")
    return list(found.values())


def _named(reports: Path, name: str) -> Iterator[Account]:
    for sweep in (reports / name, Path(name)):
        if (sweep / "sweep.json").is_file():
            return _of_sweep(sweep)
    if any(Path(name).glob("*/*/status.json")):
        return _all(Path(name))
    return map(Account.of, find_runs(reports, name))


def _all(reports: Path) -> Iterator[Account]:
    """All runs, and those of the sweeps that never began."""
    yield from map(Account.of, find_runs(reports))
    for record in sorted(reports.glob("sweeps/*/sweep.json")):
        yield from (run for run in _of_sweep(record.parent) if run.state in ("skipped", "not begun"))


def _of_sweep(sweep: Path) -> Iterator[Account]:
    record, reports = read_json(sweep / "sweep.json"), sweep.resolve().parents[1]
    states: dict[str, Account] = {}
    for planned in record.get("runs", []):
        name = planned["run"]
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise RunError(f"{sweep / 'sweep.json'} names a run outside its reports folder: {name}")
        account = Account.of(RunFolder(reports / name))
        if account.state == "missing":
            account = _unbegun(account, planned, states)
        states[name] = account
    yield from states.values()


def _unbegun(account: Account, planned: dict, states: dict[str, Account]) -> Account:
    needs = [states[need] for need in planned.get("needs", []) if need in states]
    failed = next((need for need in needs if need.state in ("failed", "skipped")), None)
    if failed:
        status = {"state": "skipped", "cause": f"needs {failed.name}, {failed.state}: {failed.cause}"}
    else:
        done = [need.name for need in needs if need.done]
        waits = ", ".join(need for need in planned.get("needs", []) if need not in done)
        status = {"state": "not begun", "cause": f"waits for {waits}" if waits else "planned by a sweep"}
    return Account(account.folder, status, planned.get("parameters", {}))
