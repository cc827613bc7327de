"""Recorded numbers without tensors: nested JSON that remembers which of its leaves were read, and its comparison."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

# What people wrote about a recording; nothing in it can be right or wrong.
PROSE = frozenset({"what", "note", "notes", "source", "repository", "fixture", "method", "torch"})
# Schedules and rates are float64 on both sides; another order of the same few operations moves them by 1e-15.
EXACT = 1e-9


class Entries:
    """A dict or list of JSON; a leaf taken out of it, here or further down, counts as read.

    >>> entries = Entries({"args": {"steps": 3}, "values": [0, 1]})
    >>> entries["args"]["steps"], entries.unread()
    (3, ['values'])
    """

    def __init__(self, value: Any, path: str = "", read: set[str] | None = None) -> None:
        self.value, self.path = value, path
        self.read: set[str] = set() if read is None else read

    def __contains__(self, key: object) -> bool:
        return key in self.value

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        """Keys of a dict, items of a list."""
        return iter(self.value) if isinstance(self.value, dict) else (self[i] for i in range(len(self)))

    def __getitem__(self, key: str | int) -> Any:
        value, path = self.value[key], self._below(key)
        if isinstance(value, (dict, list)):
            return Entries(value, path, self.read)
        self.read.add(path)
        return value

    def get(self, key: str, default: Any) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def plain(self, key: str | int) -> Any:
        """What is under a key as it came, all of it read."""
        self.read.add(self._below(key))
        return self.value[key]

    def unread(self) -> list[str]:
        """Paths of what was never read, as high up as nothing below was read either; prose is left out."""
        return _unread(self.value, self.path, self.read)

    def _below(self, key: str | int) -> str:
        return _join(self.path, key)


def compare(got: Any, wanted: Any) -> tuple[float, float, str]:
    """(largest difference, its tolerance, where) of nested lists and dicts of numbers and words.

    Words must be equal, whole numbers too, others to 1e-9 of the largest; what has no difference (other words, other
    lengths, a key that was not computed) counts as inf. Keys that only `got` has are not asked for.
    """
    leaves = list(_pairs(got, wanted, ""))
    tolerance = EXACT * max((abs(w) for _, w, _ in leaves if isinstance(w, float)), default=0.0)
    found = [(_difference(mine, theirs), place, mine, theirs) for mine, theirs, place in leaves]
    difference, place, mine, theirs = max(found, key=itemgetter(0), default=(0.0, "", None, None))
    return difference, tolerance, f"at {place or 'its value'}: {mine!r} instead of {theirs!r}"[:160]


def _difference(got: Any, wanted: Any) -> float:
    if isinstance(got, (int, float)) and isinstance(wanted, (int, float)):
        difference = float(abs(got - wanted))
        return difference if difference == difference else float("inf")  # NaN would hide behind max()
    return 0.0 if type(got) is type(wanted) and got == wanted else float("inf")


def _pairs(got: Any, wanted: Any, path: str) -> Iterator[tuple[Any, Any, str]]:
    """(got, wanted, path) of every leaf; a whole list or dict where the two have different shapes."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in wanted.keys() - PROSE:
            yield from _pairs(got.get(key), wanted[key], _join(path, key))
    elif isinstance(wanted, list) and isinstance(got, list) and len(got) == len(wanted):
        for i, (mine, theirs) in enumerate(zip(got, wanted, strict=True)):
            yield from _pairs(mine, theirs, _join(path, i))
    else:
        yield got, wanted, path


def _unread(value: Any, path: str, read: set[str]) -> list[str]:
    if path in read:
        return []
    if not isinstance(value, (dict, list)):
        return [path]
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    below = [name for key, item in pairs if key not in PROSE for name in _unread(item, _join(path, key), read)]
    touched = not path or any(name.startswith((f"{path}.", f"{path}[")) for name in read)
    return below if touched or not below else [path]


def _join(path: str, key: str | int) -> str:
    return f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}" if path else str(key)
