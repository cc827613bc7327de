"""A sweep of one notebook as flags: `-p` fixed, `-g` grid, `-z` side by side, `--point` one by one, `-r` draws."""

from collections.abc import Sequence
from pathlib import Path

from mvkit.errors import OptionError
from mvkit.runs.sweep.commas import split
from mvkit.runs.sweep.entry import Entry, Random, Written
from mvkit.runs.sweep.said import Said


def read_flags(
    notebook: Path,
    *,
    fixed: Sequence[str] = (),
    grid: Sequence[str] = (),
    beside: Sequence[str] = (),
    points: Sequence[str] = (),
    drawn: Sequence[str] = (),
    draws: int = 0,
    seed: int = 0,
) -> Entry:
    """The entry that such texts mean, each `name=value` or `name=value,value`. Raises OptionError naming the flag."""
    if bool(drawn) != bool(draws):
        raise OptionError("random draws want both: --draws N and -r name=low..high")
    return Entry.build(
        notebook,
        "the command line",
        fixed=_written("-p", fixed),
        cross=_written("-g", grid),
        beside=_written("-z", beside),
        points=[_written("--point", split(text)) for text in points],
        drawn=Random(draws, seed, _written("-r", drawn)) if drawn else None,
    )


def _written(flag: str, texts: Sequence[str]) -> Written:
    written: dict[str, Said] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise OptionError(f"{flag} {text}: wanted name=value")
        if name in written:
            raise OptionError(f"{flag} {name} is given twice; for an axis write {flag} {name}=a,b")
        written[name] = Said(value, f"{flag} {name}")
    return written
