"""What a clone wants besides its files: nbdime in git, outputs stripped before a commit, what runs leave ignored.

Everything stays in this clone: settings in .git/, and two small files that may be committed. A second call changes
nothing.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from mvkit.errors import RunError
from mvkit.runs.files import write_bytes_atomic

# The clone's own programs by their paths: git and its hooks run without an activated environment.
_DRIVERS = {
    "diff.jupyternotebook.command": "git-nbdiffdriver diff",
    "merge.jupyternotebook.driver": "git-nbmergedriver merge %O %A %B %L %P",
    "merge.jupyternotebook.name": "jupyter notebook merge driver",
}
_ATTRIBUTES = ("*.ipynb diff=jupyternotebook", "*.ipynb merge=jupyternotebook")
_IGNORED = (".ipynb_checkpoints/", "reports/*")
_HOOK = """\
  - repo: local
    hooks:
      - id: nbstripout
        name: strip notebook outputs
        entry: {entry}
        language: system
        files: \\.ipynb$
"""


@dataclass(frozen=True)
class Step:
    """What was looked at, what was found or changed, whether anything changed, and what is left to do by hand."""

    name: str
    found: str
    changed: bool = False
    repair: str = ""

    def line(self) -> str:
        word = "to do  " if self.repair else "changed" if self.changed else "ok     "
        return f"{word} {self.name:<12} {self.found}" + (f"; {self.repair}" if self.repair else "")


def init(folder: Path) -> Iterator[Step]:
    """Set up the clone that holds this folder. Raises RunError outside a git checkout, or where git is missing."""
    root = Path(_git(folder, "rev-parse", "--show-toplevel"))
    yield _drivers(root)
    yield _lines("attributes", root / _git(root, "rev-parse", "--git-path", "info/attributes"), _ATTRIBUTES)
    yield _lines("ignored", root / ".gitignore", _IGNORED)
    yield _hook_file(root)
    yield _hook(root)


def _drivers(root: Path) -> Step:
    missing = {}
    for name, value in _DRIVERS.items():
        program, space, rest = value.partition(" ")
        wanted = f"{shlex.quote(_program(program))}{space}{rest}" if program.startswith("git-") else value
        if _git(root, "config", "--local", "--get", name, may_fail=True) != wanted:
            missing[name] = wanted
    for name, wanted in missing.items():
        _git(root, "config", "--local", name, wanted)
    return Step("nbdime", "git diff and git merge read notebooks", changed=bool(missing))


def _lines(name: str, file: Path, wanted: tuple[str, ...]) -> Step:
    """Add lines that a file does not have; what is there stays."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    # `reports/` says as much as `reports/*`, but lets nothing below it be kept.
    have = {" ".join(line.split()) for line in text.splitlines()}
    new = [line for line in wanted if not have & {line, line.removesuffix("*"), "/" + line}]
    if new:
        ends = "" if not text or text.endswith("\n") else "\n"
        write_bytes_atomic(file, (text + ends + "".join(f"{line}\n" for line in new)).encode())
    said = f"{file.name}: {', '.join(new)}" if new else f"{file.name} has them"
    return Step(name, said, changed=bool(new))


def _hook_file(root: Path) -> Step:
    file = root / ".pre-commit-config.yaml"
    text = file.read_text(encoding="utf-8") if file.exists() else "repos:\n"
    if "nbstripout" in text:
        return Step("pre-commit", f"{file.name} strips notebooks")
    program = Path(_program("nbstripout"))
    entry = program.relative_to(root).as_posix() if program.is_relative_to(root) else program.name
    added = text.rstrip("\n") + "\n" + _HOOK.format(entry=entry)
    before, after = _repos(text), _repos(added)
    if before is None or after is None or len(after) != len(before) + 1:
        hook = " ".join(_HOOK.format(entry=entry).split())
        return Step("pre-commit", f"{file.name} ends in a way we do not add to", repair=f"add to its repos: {hook}")
    write_bytes_atomic(file, added.encode())
    return Step("pre-commit", f"{file.name}: nbstripout", changed=True)


def _repos(text: str) -> list[object] | None:
    try:
        return (yaml.safe_load(text) or {}).get("repos") or []
    except (yaml.YAMLError, AttributeError):
        return None


def _hook(root: Path) -> Step:
    hook = root / _git(root, "rev-parse", "--git-path", "hooks/pre-commit")
    if hook.exists():
        known = "pre-commit" in hook.read_text(encoding="utf-8", errors="replace")
        repair = "" if known else "it is not pre-commit's: let it call `pre-commit run`"
        return Step("hook", "git calls it before a commit", repair=repair)
    command = [sys.executable, "-m", "pre_commit", "install"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        reason = said[-1][:100] if said else "no word from it"
        return Step("hook", f"pre-commit could not be set ({reason})", repair="pip install pre-commit nbstripout")
    return Step("hook", "git calls pre-commit before a commit", changed=True)


def _program(name: str) -> str:
    """A program beside this Python."""
    return str(Path(sys.executable).parent / (f"{name}.exe" if os.name == "nt" else name))


def _git(folder: Path, *words: str, may_fail: bool = False) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as err:
        raise RunError(f"git does not answer ({err}): install git, then run this again") from None
    if done.returncode and not may_fail:
        said = " ".join(done.stderr.split())
        raise RunError(f"{folder}: {said or 'git refused'}; `mvkit init` sets up a git clone, call it inside one")
    return done.stdout.strip()
