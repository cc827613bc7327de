"""The numbers of results.json by names that can be read: `scores: knn motion, trained`, `psnr_held_out: VideoMAE`.

Notebooks call the encoder they have trained "trained", "student" or by its method; here it is "trained" in all of them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_OWN = ("trained", "student")
_SCORE = ("measure", "labels", "encoder")  # of an entry of `scores`, as eval.Score has them
_NO_RESULT = ("seconds", "clips_per_s", "chance")  # how fast a run was, and what guessing would reach
# What a table of few columns has no room for: what a method is compared with, and checks that should be zero.
_BESIDE = ("teachers:", "by_hand", "masks:", "alike", "references", "images")


def measures(results: Mapping[str, Any], method: str = "") -> dict[str, float]:
    """Name -> number; nested mappings by "outer: inner", lists of mappings by the words in them.

    method: that the run trained, a name in mvkit.methods. Speeds and chance levels are no results.
    """
    return dict(_numbers(results, (), (method, *_OWN)))


def leading(names: list[str], count: int) -> list[str]:
    """The `count` measures to show first: scores of what was trained, then top-level numbers, then the rest."""

    def rank(name: str) -> int:
        if name.startswith("scores:"):
            return 0 if name.endswith(", trained") else 3
        return 3 if any(word in name for word in _BESIDE) else 1 if ":" not in name else 2

    return sorted(names, key=rank)[:count]


def _numbers(value: Any, path: tuple[str, ...], own: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield ": ".join(path), value
    elif isinstance(value, Mapping):
        if set(_SCORE) <= set(value) and "accuracy" in value:
            measure, labels, encoder = (str(value[name]) for name in _SCORE)
            encoder = "trained" if encoder.lower() in own else encoder
            yield from _numbers(value["accuracy"], (*path[:1], f"{measure} {labels}, {encoder}"), own)
        else:
            for name, item in value.items():
                if name in _NO_RESULT:
                    continue
                yield from _numbers(item, (*path, str(name)), own)
    elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        for place, item in enumerate(value):
            words = [str(one) for one in item.values() if isinstance(one, str)]
            yield from _numbers(item, (*path, ", ".join(words) or str(place)), own)
