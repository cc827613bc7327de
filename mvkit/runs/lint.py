"""What a committed notebook keeps to: one parameters cell, names for cells, no outputs, short cells, no definitions.

Logic belongs to the library, where a test can reach it; a path of one's own machine belongs to nobody else's.
"""

import ast
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from mvkit.errors import OptionError, RunError
from mvkit.runs.parameters import Parameters

WIDTH, LINES = 128, 16  # of a code cell: what a reader takes in beside its picture
_ABSOLUTE = re.compile(r"^(/[\w.~-]+/|~/|[A-Za-z]:[\\/])")
_HOME = re.compile(r"(?<![\w.:/])/(home|Users|root|tmp|mnt|media)/\w+")
_DEFINITIONS = {
    ast.ClassDef: "defines a class",
    ast.FunctionDef: "defines a function",
    ast.AsyncFunctionDef: "defines a function",
    ast.For: "has a loop",
    ast.AsyncFor: "has a loop",
    ast.While: "has a loop",
}


@dataclass(frozen=True)
class Problem:
    """notebook: its file name; cell: its id, empty for the whole notebook; text: what is wrong, and wanted."""

    notebook: str
    cell: str
    text: str

    def line(self) -> str:
        return f"{self.notebook}{f', cell {self.cell}' if self.cell else ''}: {self.text}"


def check_notebook(path: Path) -> list[Problem]:
    """Problems of one notebook, none where it is well; nothing runs. Raises RunError for a file that is no notebook."""
    try:
        with warnings.catch_warnings(action="ignore"):
            nb = nbformat.read(path, as_version=4)
        # nbformat gives the second cell of one id another one as it reads.
        for cell, raw in zip(nb.cells, json.loads(path.read_text(encoding="utf-8"))["cells"], strict=True):
            cell["id"] = raw.get("id", "")
    except Exception as err:
        raise RunError(f"{path} is not a notebook: {type(err).__name__} {str(err)[:100]}") from None
    found = [("", text) for text in (*_whole(path, nb), *_parameters(path, nb))]
    for cell in nb.cells:
        check = _code if cell.cell_type == "code" else _prose
        found += [(cell.get("id", ""), text) for text in check(cell)]
    return [Problem(path.name, cell, text) for cell, text in found]


def _whole(path: Path, nb: Any) -> Iterator[str]:
    if not nb.cells or not (nb.cells[0].cell_type == "markdown" and nb.cells[0].source.startswith("# ")):
        yield "does not begin with a title cell, `# ...`"
    names = Counter(cell.get("id", "") for cell in nb.cells)
    for name, times in names.items():
        if times > 1:
            yield f"{times} cells have the id '{name}': each wants its own"
        if not name.replace("-", "").isalpha():
            yield f"cell id '{name}' is no name: use words, as `draw-masks`; differences and errors show it"
    begun = re.findall(r"notebook=[\"']([^\"']+)[\"']", "".join(c.source for c in nb.cells if c.cell_type == "code"))
    if path.stem not in begun:
        yield f'no begin(..., notebook="{path.stem}") in it' + (f", but of '{begun[0]}'" if begun else "")


def _parameters(path: Path, nb: Any) -> Iterator[str]:
    if not any("parameters" in cell.metadata.get("tags", []) for cell in nb.cells):
        yield "no cell tagged 'parameters'"
        return
    try:
        declared = Parameters.read(path)
    except OptionError as err:
        yield str(err)
        return
    for item in declared.values():
        if not item.help:
            yield f"parameter '{item.name}' has no help: add `# ...` at the end of its line"


def _code(cell: Any) -> Iterator[str]:
    if cell.outputs or cell.execution_count is not None:
        yield "has outputs: `nbstripout FILE`, or let pre-commit do it (`mvkit init`)"
    lines = cell.source.splitlines()
    if max(map(len, lines), default=0) > WIDTH:
        yield f"a line of {max(map(len, lines))} characters, wanted {WIDTH} at most"
    if len(lines) > LINES and "parameters" not in cell.metadata.get("tags", []):
        yield f"{len(lines)} lines, wanted {LINES} at most: move logic into the library or split the cell"
    try:
        tree = ast.parse("\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines))
    except SyntaxError as err:
        yield f"does not parse: {err.msg}, line {err.lineno}"
        return
    for node in ast.walk(tree):
        if said := _DEFINITIONS.get(type(node)):  # pyright: ignore[reportArgumentType]
            yield f"{said} in line {node.lineno}: move it into the library"  # pyright: ignore
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ABSOLUTE.match(node.value):
            yield f"absolute path {node.value!r} in line {node.lineno}: make it a parameter, or relative to the project"


def _prose(cell: Any) -> Iterator[str]:
    if found := _HOME.search(cell.source):
        yield f"names a folder of one machine, {found[0]!r}"
