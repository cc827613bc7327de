"""Which files of a set are sound, and which readers give their frames exactly, judged by a full decode of each.

A hostile file can crash a decoder and take the process with it, so files are examined in a child process with a time
limit; one that dies is named in the record and the next file goes to a fresh child. A record holds for the bytes it
saw: size and time of change are kept and compared.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mvkit.data.probe import VideoInfo, file_stamp
from mvkit.data.readers._child import Child, Died
from mvkit.errors import DataError, OptionError, unknown
from mvkit.plugins import available
from mvkit.whole import whole

_FORMAT = "mvkit audit 1"


@dataclass(frozen=True)
class AuditRecord:
    """What one file was found to hold.

    state: "good"; "damaged", some promised frames do not decode soundly; "short", cut off; "unreadable".
    frames: promised; sound: decodable from undamaged data. readers: name -> "exact", or why it is not. checked: how
    many frames each reader was compared on. reason: what is wrong, "" for a good file. stamp: size, time of change.
    """

    path: str
    state: str
    frames: int = 0
    sound: int = 0
    reason: str = ""
    readers: dict[str, str] = field(default_factory=dict)
    checked: int = 0
    stamp: tuple[int, int] = (0, 0)
    video: dict[str, object] = field(default_factory=dict)

    @property
    def exact(self) -> tuple[str, ...]:
        """Readers that gave every compared frame exactly; none on a file that is not good."""
        return tuple(n for n, found in self.readers.items() if found == "exact") if self.state == "good" else ()

    def fits(self, info: VideoInfo) -> bool:
        """Whether this record is about the file as it is now."""
        return tuple(self.stamp) == info.stamp and Path(self.path).absolute() == info.path.absolute()


def audit(
    paths: Iterable[str | PathLike[str]],
    readers: Sequence[str] = (),
    *,
    known: Mapping[str, AuditRecord] | None = None,
    jobs: int = 1,
    timeout: float = 600.0,
    progress: Callable[[int, int, AuditRecord], None] | None = None,
) -> list[AuditRecord]:
    """One record per file, in the order given: sound or not, and the readers exact on it.

    readers: names to compare, all by default. known: records from before (`load_audit`); a file that has not changed
    since keeps its record, so an interrupted audit goes on. jobs: files examined at the same time. timeout: seconds for
    one file. progress: called with (files done, files in all, newest record).

    Raises OptionError for an unknown reader. A bad file raises nothing: its record says what is wrong.
    """
    there = available("mvkit.data.readers")
    names = tuple(readers) or there
    if extra := sorted(set(names) - set(there)):
        raise OptionError(unknown("reader", extra[0], there))
    files = [Path(path) for path in paths]
    idle: SimpleQueue[Child] = SimpleQueue()
    children = [Child() for _ in range(max(1, jobs))]
    for child in children:
        idle.put(child)

    def one(path: Path) -> AuditRecord:
        old = (known or {}).get(str(path.absolute()))
        if old and old.stamp == file_stamp(path) and (old.state != "good" or set(names) <= set(old.readers)):
            return old
        child = idle.get()
        try:
            return _examined(child, path, list(names), timeout)
        finally:
            idle.put(child)

    records = []
    pool = ThreadPoolExecutor(max(1, jobs))
    try:
        for record in pool.map(one, files):
            records.append(record)
            if progress:
                progress(len(records), len(files), record)
    finally:
        # On Ctrl-C the files not begun are dropped, and ending the children frees the threads that wait for them.
        pool.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.close()
    return records


def _examined(child: Child, path: Path, readers: list[str], timeout: float) -> AuditRecord:
    found: dict[str, Any] = {"state": "unreadable"}
    verdicts: dict[str, str] = {}
    while True:
        stage = "opening"
        try:
            for message in child.ask(str(path.absolute()), [r for r in readers if r not in verdicts], timeout):
                stage = message.get("stage", stage)
                found.update(message.get("found", {}))
                verdicts.update(message.get("verdict", {}))
            break
        except Died as death:
            if stage not in readers:
                found = {"state": "unreadable", "reason": f"the decoder {death} at {stage}"}
                break
            verdicts[stage] = str(death)
    found["stamp"] = file_stamp(path)
    return AuditRecord(path=str(path.absolute()), readers=verdicts, **found)


def save_audit(records: Iterable[AuditRecord], path: str | PathLike[str]) -> Path:
    """Write records as JSON, whole or not at all. Files below its folder are named relative to it, and move with it."""
    path = Path(path).absolute()
    rows = []
    for record in records:
        file = Path(record.path)
        name = file.relative_to(path.parent) if file.is_relative_to(path.parent) else file
        rows.append({**asdict(record), "path": name.as_posix()})
    with whole(path) as part:
        part.write_text(json.dumps({"format": _FORMAT, "files": rows}, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def load_audit(path: str | PathLike[str]) -> dict[str, AuditRecord]:
    """Records by absolute path of the file, for `read_frames(..., audit=)`. Raises DataError if it is no audit."""
    path = Path(path).absolute()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"format '{content['format']}', wanted '{_FORMAT}'")
        records = [
            AuditRecord(**{**row, "path": str(path.parent / row["path"]), "stamp": tuple(row["stamp"])})
            for row in content["files"]
        ]
    except OSError as err:
        raise DataError(f"{path}: no audit to read ({err.strerror}); make one with mvkit data audit") from None
    except (ValueError, TypeError, KeyError) as err:
        said = f"{path}: not an audit ({type(err).__name__}: {err}); make it again with mvkit data audit"
        raise DataError(said) from None
    return {record.path: record for record in records}
