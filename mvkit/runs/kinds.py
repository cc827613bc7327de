"""What a parameter may be: a small set of types with a range or choices, checked by pydantic.

`Kind.parse` takes text or native values, `Kind.check` native values only. Both give native values that JSON can hold,
so what was asked for, what ran and what is written in params.json are the same.
"""

import ast
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationError

from mvkit.errors import OptionError

_SCALARS: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class Limit:
    """A range, either end may be open or missing, or the only values allowed (as text), or what a text must name."""

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    choices: tuple[str, ...] = ()
    names: str = ""

    # Lookarounds keep `1...` and an index such as `x[..5]` in a help text from being read as a range by accident.
    RANGE: ClassVar[re.Pattern[str]] = re.compile(rf"(?<!\w)([\[(])\s*({_NUMBER})?\s*\.\.\s*({_NUMBER})?\s*([\])])")

    @classmethod
    def of_range(cls, found: re.Match[str]) -> "Limit":
        opens, low, high, closes = found.groups()
        return cls(_number(low), _number(high), low_open=opens == "(", high_open=closes == ")")

    @property
    def empty(self) -> bool:
        return self == Limit()

    def constraint(self) -> Any:
        """The same limit for pydantic."""
        low, high = ("gt" if self.low_open else "ge"), ("lt" if self.high_open else "le")
        given = {low: self.low, high: self.high}
        return Field(strict=True, **{name: value for name, value in given.items() if value is not None})  # pyright: ignore

    def __str__(self) -> str:
        if self.choices or self.names:
            return f"<{self.names}>" if self.names else "{" + ", ".join(self.choices) + "}"
        ends = ["" if end is None else str(end) for end in (self.low, self.high)]
        return "" if self.empty else f"{'(' if self.low_open else '['}{'..'.join(ends)}{')' if self.high_open else ']'}"


@dataclass(frozen=True)
class Kind:
    """base: bool, int, float or str; many: a list of it; optional: None is allowed; limit: of each item."""

    base: str
    many: bool = False
    optional: bool = False
    limit: Limit = field(default_factory=Limit)

    @classmethod
    def of_annotation(cls, node: ast.expr, limit: Limit) -> "Kind":
        """From the annotation of a parameter line. Raises OptionError for a type outside the set."""
        match node:
            case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
                inner = cls.of_annotation(left, limit)
                return cls(inner.base, inner.many, True, limit)
            case ast.Name(id=name) if name in _SCALARS:
                kind = cls(name, limit=limit)
            case ast.Subscript(value=ast.Name(id="list"), slice=ast.Name(id=name)) if name in ("int", "float", "str"):
                kind = cls(name, many=True, limit=limit)
            case _:
                raise OptionError(
                    f"type `{ast.unparse(node)}` is not one of bool, int, float, str, list[int], list[float], "
                    "list[str], or one of these | None; choices stand in the help, as {a, b}"
                )
        if (limit.low, limit.high) != (None, None) and kind.base not in ("int", "float"):
            raise OptionError(f"a range {limit} needs an int or a float, not {kind.base}")
        if limit.choices and kind.base == "bool":
            raise OptionError(f"choices {limit} need an int, a float or a str, not {kind.base}")
        if limit.names and kind.base != "str":
            raise OptionError(f"{limit} needs a str, not {kind.base}")
        return kind

    def parse(self, value: Any) -> Any:
        """Native value of text or of a native value. Raises OptionError with the reason only."""
        if not isinstance(value, str):
            return self.check(value)
        if self.optional and value.strip().lower() in ("none", "null"):
            return None
        if self.many:
            return self.check(_split(value, self.base))
        return self.check(value if self.base == "str" else _of_text(value, _SCALARS[self.base]))

    def check(self, value: Any) -> Any:
        """The value if it is native and within the limit. Raises OptionError with the reason only."""
        value = native(value)
        try:
            value = self._adapter.validate_python(value, strict=True)
        except ValidationError as err:
            first = err.errors()[0]
            where = f"item {first['loc'][-1]}: " if self.many and first["loc"] else ""
            raise OptionError(where + first["msg"][0].lower() + first["msg"][1:]) from None
        for item in (value if self.many else [value]) if value is not None else []:
            if self.limit.choices and str(item) not in self.limit.choices:
                raise OptionError(f"{item!r} is not one of {self.limit}")
            if isinstance(item, str) and not item.isprintable() and re.search("[\ud800-\udfff]", item):
                raise OptionError(f"{item!r} holds bytes that are no UTF-8 text")
        return value

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        kind: Any = Annotated[_SCALARS[self.base], self.limit.constraint()]
        if self.base == "float":
            kind = Annotated[kind, Field(allow_inf_nan=False)]
        kind = list[kind] if self.many else kind
        return TypeAdapter(kind | None if self.optional else kind)

    def __str__(self) -> str:
        name = f"list[{self.base}]" if self.many else self.base
        return name + (" | None" if self.optional else "") + (f" {self.limit}" if not self.limit.empty else "")


def native(value: Any) -> Any:
    """Numpy and torch scalars as Python ones, arrays and tuples as lists; anything else as it is."""
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    if isinstance(value, list | tuple):
        return [native(item) for item in value]
    return native(value.tolist()) if getattr(value, "ndim", 0) and hasattr(value, "tolist") else value


def _number(text: str | None) -> float | None:
    """A whole number stays one, so that a range is shown as it was written."""
    if text is None:
        return None
    return float(text) if set(text) & set(".eE") else int(text)


def _of_text(text: str, scalar: type) -> Any:
    if scalar is int and not re.fullmatch(r"[-+]?[0-9]+(_[0-9]+)*", text.strip()):  # pydantic alone takes "3.0"
        raise OptionError("the text is not a valid integer")
    try:
        return TypeAdapter(scalar).validate_strings(text.strip())
    except ValidationError as err:
        reason = err.errors()[0]["msg"].removeprefix("Input should be a valid ").split(", ")[0]
        raise OptionError(f"the text is not a valid {reason}") from None


def _split(text: str, base: str) -> list[Any]:
    """`[1, 2]` as JSON, `1,2` by commas."""
    if text.strip().startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError as err:
            raise OptionError(f"the text is not a JSON list ({err.msg} at {err.pos})") from None
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    return [_of_text(part, _SCALARS[base]) for part in parts] if base != "str" else list(parts)
