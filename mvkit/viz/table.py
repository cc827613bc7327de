"""The numbers of a figure as a tidy table, one value a line, for a spreadsheet or for whoever asks what was drawn.

    argument,label,row,column,value
    steps,,0,,20
    monitors,motion,0,1,0.25

argument: of the drawing function. label: which of its series, "kNN motion / trained" where there are several levels.
row, column: the place in an array of that many axes. Pictures and volumes are in NAME.npz alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

HEAD = ("argument", "label", "row", "column", "value")


def tidy(parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """CSV of what a figure was drawn from, as `FigureData` keeps it; "" where it holds neither curve nor table."""
    lines = [
        line
        for name, value in parameters.items()
        if isinstance(value, dict)  # options are plain values
        for line in _lines(name, (), value, arrays)
    ]
    if not lines:
        return ""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([HEAD, *lines])
    return text.getvalue()


def _lines(name: str, path: tuple[str, ...], value: Any, arrays: Mapping[str, np.ndarray]) -> Iterator[tuple]:
    label = " / ".join(path)
    if isinstance(value, dict) and "mapping" in value:
        for key, item in value["mapping"]:
            yield from _lines(name, (*path, key), item, arrays)
    elif isinstance(value, dict) and "array" in value:
        array = arrays[value["array"]]
        if array.ndim <= 2:
            for place, number in np.ndenumerate(array):
                row, column = (*place, "", "")[:2]
                yield name, label, row, column, f"{number:d}" if array.dtype.kind == "b" else str(number)
    elif isinstance(value, dict):
        yield name, label, "", "", value["number"]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, label, "", "", value
