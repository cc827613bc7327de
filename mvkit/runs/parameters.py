"""Parameters of a notebook, typed by its own parameters cell.

The cell tagged `parameters` is the one source. Every statement in it is one line

    name: type = literal  # help

with type one of `bool int float str list[int] list[float] list[str]`, each also as `... | None`. The help may hold one
limit: a range `[1..1000]`, `(0..1]`, `[0..]` (round brackets leave the end out), choices `{tube, random}`, or as its
last word what the text names, `<file>` or `<video>`: it must be there, and open, before a kernel starts; an empty text
names nothing. For a list the limit holds for each item.

Text (command line, environment, YAML) becomes the native type or is refused: `false` is never a true string, `1e-4`
never a word. Native values are taken strictly: `True` is no int, 3.0 is no int, 3 is a float.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvkit.errors import DataError, OptionError, unknown
from mvkit.runs.inputs import CHECKS
from mvkit.runs.kinds import Kind, Limit, native
from mvkit.runs.notebook import read_cells

_CHOICES = re.compile(r"\{([^{}]*)\}")
_NAMES = re.compile(r"(?:^|\s)<(\w+)>\s*$")  # at the end, so that `run:<folder>` in a help stays what it is


@dataclass(frozen=True)
class Parameter:
    """One line of the parameters cell: name, kind, default (native), help without the limit."""

    name: str
    kind: Kind
    default: Any
    help: str = ""

    def parse(self, value: Any) -> Any:
        """The native value of text or of a native value. Raises OptionError naming the parameter."""
        return self._through(self.kind.parse, value)

    def check(self, value: Any) -> Any:
        """The same for a value that is native already: text does not become a number here. Raises OptionError."""
        return self._through(self.kind.check, value)

    def _through(self, gate: Callable[[Any], Any], value: Any) -> Any:
        try:
            return gate(value)
        except OptionError as err:
            raise OptionError(f"parameter '{self.name}' wants {self.kind}, got {value!r}: {err}") from None

    def __str__(self) -> str:
        return f"{self.name}: {self.kind} = {self.default!r}" + (f"  # {self.help}" if self.help else "")


class Parameters(Mapping[str, Parameter]):
    """The parameters of one notebook, in the order of its cell."""

    def __init__(self, items: list[Parameter], notebook: str = "notebook") -> None:
        self._items = {item.name: item for item in items}
        self.notebook = notebook

    @classmethod
    def read(cls, notebook: Path | str) -> "Parameters":
        """Read an .ipynb; without a parameters cell it has none. Raises OptionError for a line it cannot read."""
        path = Path(notebook)
        cells = [cell for cell in read_cells(path) if "parameters" in cell.tags]
        if len(cells) > 1:
            raise OptionError(f"{path.name} has {len(cells)} cells tagged 'parameters', wanted one: join them")
        return cls.of_source(cells[0].source if cells else "", path.name)

    @classmethod
    def of_source(cls, source: str, notebook: str = "notebook") -> "Parameters":
        """Read the text of a parameters cell. Raises OptionError naming the line."""
        try:
            statements = ast.parse(source).body
        except SyntaxError as err:
            raise OptionError(f"{notebook}, parameters cell, line {err.lineno}: {err.msg}") from None
        comments = _comments(source)
        items: list[Parameter] = []
        for statement in statements:
            try:
                item = _parameter(statement, comments.get(statement.end_lineno or 0, ""))
            except OptionError as err:
                raise OptionError(f"{notebook}, parameters cell, line {statement.lineno}: {err}") from None
            if item.name in [other.name for other in items]:
                raise OptionError(f"{notebook}, parameters cell, line {statement.lineno}: '{item.name}' is there twice")
            items.append(item)
        return cls(items, notebook)

    def resolve(self, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Native values of all parameters: the given ones (text or native) over the defaults.

        Raises OptionError in one line for an unknown name (with the nearest known one), a wrong type or range.
        """
        given = dict(given or {})
        self.refuse_unknown(given)
        return {name: item.parse(given[name]) if name in given else item.default for name, item in self._items.items()}

    def check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters, taken from native values such as a notebook's own variables; other names are not looked at.

        Raises OptionError for a missing name or a value that is not native: there text has already been used as text.
        """
        missing = [name for name in self._items if name not in values]
        if missing:
            raise OptionError(f"{self.notebook}: parameter '{missing[0]}' has no value; run the parameters cell first")
        return {name: item.check(values[name]) for name, item in self._items.items()}

    def look(self, values: Mapping[str, Any], root: Path) -> None:
        """Raises OptionError where a value names no file, or no video. root: the folder where relative paths start."""
        for name, item in self._items.items():
            if item.kind.limit.names and values[name]:
                for path in values[name] if item.kind.many else [values[name]]:
                    try:
                        CHECKS[item.kind.limit.names](root / path)
                    except DataError as err:
                        raise OptionError(f"parameter '{name}' wants {item.kind}: {err}") from None

    def refuse_unknown(self, names: Iterable[str]) -> None:
        """Raises OptionError for a name that is no parameter."""
        for name in names:
            if name not in self._items:
                raise OptionError(f"{self.notebook}: {unknown('parameter', name, self._items)}")

    def __getitem__(self, name: str) -> Parameter:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<Parameters of {self.notebook}: {', '.join(self._items) or 'none'}>"


def injected_names(source: str) -> list[str]:
    """Names set by a cell that papermill put in, else none: the one trace of a misspelled `papermill -p`."""
    if source.strip().partition("\n")[0].strip() != "# Parameters":
        return []
    try:
        names = [s.targets[0] if isinstance(s, ast.Assign) else None for s in ast.parse(source).body]
    except SyntaxError:  # a magic: papermill writes none
        return []
    return [name.id for name in names if isinstance(name, ast.Name)] if all(names) else []


def _parameter(statement: ast.stmt, comment: str) -> Parameter:
    if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value):
        raise OptionError(f"wanted `name: type = literal  # help`, got `{ast.unparse(statement)}`")
    name = statement.target.id
    try:
        default = ast.literal_eval(statement.value)
    except ValueError:
        text = ast.unparse(statement.value)
        raise OptionError(f"'{name}' must be a literal, got `{text}`; derive it in the next cell") from None
    limit, text = _limit(comment)
    kind = Kind.of_annotation(statement.annotation, limit)
    try:
        return Parameter(name, kind, kind.check(native(default)), text)
    except OptionError as err:
        raise OptionError(f"the default of '{name}' wants {kind}, got {default!r}: {err}") from None


def _limit(comment: str) -> tuple[Limit, str]:
    """The limit in a help text, and the text without it."""
    if found := Limit.RANGE.search(comment):
        limit = Limit.of_range(found)
    elif found := _CHOICES.search(comment):
        limit = Limit(choices=tuple(part.strip().strip("'\"") for part in found[1].split(",")))
    elif found := _NAMES.search(comment):
        if found[1] not in CHECKS:
            raise OptionError(unknown("kind of file", found[1], CHECKS))
        limit = Limit(names=found[1])
    else:
        return Limit(), comment.strip()
    return limit, re.sub(r"\s+", " ", comment[: found.start()] + comment[found.end() :]).strip()


def _comments(source: str) -> dict[int, str]:
    """Line number -> comment at its end."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
