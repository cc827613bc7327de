"""The results of a run as a notebook shows them: everything in results.json, nested as far as tables are read."""

import json
from collections.abc import Iterable
from html import escape
from typing import Any


class Results(dict[str, Any]):
    """Named numbers, texts, lists and mappings that JSON can hold; JSON in a terminal, a table in a page."""

    def __repr__(self) -> str:
        return json.dumps(self, indent=2, ensure_ascii=False)

    def _repr_html_(self) -> str:
        return f'<div class="scroll results">{_shown(self)}</div>'


def _shown(value: Any) -> str:
    """A value as HTML: records as one table with a head, other mappings by rows, the rest as text."""
    match value:
        case {} if value and all(isinstance(record, dict) for record in value.values()):
            return _records(value)
        case {} if value:
            return _table([_head(name, "row") + _cell(item) for name, item in value.items()])
        case [dict(), *_] if all(isinstance(record, dict) for record in value):
            fields = list(dict.fromkeys(field for record in value for field in record))
            return _table([_heads(fields), *("".join(_cell(record.get(f, "")) for f in fields) for record in value)])
        case [_, *_]:
            return ", ".join(map(_shown, value))
        case None | {} | []:
            return "none"
        case float():
            return f"{value:.4g}"
    return escape(str(value))


def _records(records: dict[str, dict[str, Any]]) -> str:
    """Named records side by side: a page has more room below than beside, and there are more fields than records."""
    fields = dict.fromkeys(field for record in records.values() for field in record)
    rows = (_head(f, "row") + "".join(_cell(record.get(f, "")) for record in records.values()) for f in fields)
    return _table(["<td></td>" + _heads(records), *rows])


def _heads(names: Iterable[str]) -> str:
    return "".join(_head(name, "col") for name in names)


def _head(name: str, scope: str) -> str:
    return f'<th scope="{scope}">{escape(name)}</th>'


def _cell(value: Any) -> str:
    return f"<td>{_shown(value)}</td>"


def _table(rows: Iterable[str]) -> str:
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
