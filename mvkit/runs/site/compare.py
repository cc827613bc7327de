"""The third page: runs side by side as far as they have seen the same clips; the others are named, not mixed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from string import ascii_uppercase
from typing import Any

from mvkit.runs.account import Account
from mvkit.runs.measures import leading
from mvkit.runs.seeds import differing
from mvkit.runs.site.gallery import Pictures, picture
from mvkit.runs.site.look import cell, head, page, row, table

SIDE_BY_SIDE = 6  # columns that can be read at once
_OWN = ("time", "command", "folder", "seeds")  # of provenance, what differs between any two runs


def same_clips(runs: Sequence[Account]) -> tuple[list[list[Account]], list[Account]]:
    """Done runs that have seen the same clips, two or more of them, and the done runs that stand alone."""
    found: dict[Any, list[Account]] = {}
    for run in runs:
        if run.done:
            found.setdefault(run.clips or run.name, []).append(run)
    together = [group for group in found.values() if len(group) > 1]
    return together, [group[0] for group in found.values() if len(group) == 1]


def compared(runs: Sequence[Account]) -> list[Account]:
    """The runs whose figures the page shows."""
    return [run for group in same_clips(runs)[0] for run in group[:SIDE_BY_SIDE]]


def compare(runs: Sequence[Account], pictures: Pictures) -> str:
    """HTML of compare.html."""
    together, alone = same_clips(runs)
    lead = "<p>Runs are put side by side only where they have seen the same clips.</p>"
    if len(together) + len(alone) > 1:
        kinds = f"{len(together)} set{'s' * (len(together) != 1)} of clips with two runs or more, {len(alone)} alone"
        lead += (
            f'<p class="notice">These runs have not all seen the same clips: {kinds}. Each set stands by itself.</p>'
        )
    elif not together:
        lead += '<p class="notice">Nothing to compare: it takes two runs that are done.</p>'
    body = "".join(_group(number, group, pictures) for number, group in enumerate(together, start=1))
    if alone:
        rows = [row(escape(run.name), [f'<td class="words">{escape(run.clips_in_words)}</td>']) for run in alone]
        body += "<section><h2>Not compared</h2>" + table(
            "alone", "No other run has seen these clips", ["run", "clips"], rows
        )
        body += "</section>"
    return page("compare.html", "Runs on the same clips", lead, body)


def _group(number: int, group: Sequence[Account], pictures: Pictures) -> str:
    shown = dict(zip(ascii_uppercase, group[:SIDE_BY_SIDE], strict=False))
    note = ""
    if len(group) > SIDE_BY_SIDE:
        note = (
            f"<p>{SIDE_BY_SIDE} of {len(group)} runs, those last begun; name the runs you want as "
            f"<code>mvkit report {escape(group[0].name)} {escape(group[-1].name)} --out DIR</code>.</p>"
        )
    names = "".join(f"<dt>{letter}</dt><dd>{escape(run.name)}</dd>" for letter, run in shown.items())
    options = {letter: run.options for letter, run in shown.items()}
    origin = {letter: _flat_origin(run) for letter, run in shown.items()}
    return (
        f"<section><h2>Clips {number}: {escape(group[0].clips_in_words)}</h2>{note}"
        f'<dl class="letters">{names}</dl>'
        f"{_differing(f'parameters-{number}', 'Parameters that differ', options)}"
        f"{_numbers(number, shown)}{_figures(shown, pictures)}"
        f"{_differing(f'origin-{number}', 'Provenance that differs', origin)}</section>"
    )


def _differing(name: str, caption: str, values: Mapping[str, Mapping[str, Any]]) -> str:
    names = differing(list(values.values()))
    if not names:
        return f"<p>{caption}: none.</p>"
    rows = [row(escape(one), [cell(_plain(value.get(one))) for value in values.values()]) for one in names]
    return table(name, caption, ["name", *values], rows)


def _numbers(number: int, shown: Mapping[str, Account]) -> str:
    """Measures that two runs have, or more; in a pair their difference."""
    counts = Counter(name for run in shown.values() for name in run.measures)
    names = [name for name in leading(list(counts), len(counts)) if counts[name] > 1]
    if not names:
        return "<p>No number that two of them have.</p>"
    pair = len(shown) == 2
    heads = ["measure", *(head(letter, number=True) for letter in (*shown, *(["B - A"] if pair else [])))]
    rows = []
    for name in names:
        values = [run.measures.get(name) for run in shown.values()]
        a, b = values[:2]
        difference = [float(b - a)] if pair and a is not None and b is not None else []
        rows.append(row(escape(name), map(cell, (*values, *difference))))
    caption = "Numbers that two of them have or more, of one run each; what seeds spread over is on the first page"
    return table(f"numbers-{number}", caption, heads, rows)


def _figures(shown: Mapping[str, Account], pictures: Pictures) -> str:
    names = dict.fromkeys(name for run in shown.values() for name in run.figures)
    html = ""
    for name in names:
        pieces = "".join(picture(run, name, f"{letter}: {run.name}", pictures) for letter, run in shown.items())
        html += f'<h3>Figure {escape(name)}</h3><div class="grid">{pieces}</div>'
    return html


def _flat_origin(run: Account) -> dict[str, Any]:
    parts = {name: value for name, value in run.provenance.items() if name not in _OWN}
    nested = {name: value if isinstance(value, dict) else {"": value} for name, value in parts.items()}
    return {f"{part} {name}".strip(): value for part, inside in nested.items() for name, value in inside.items()}


def _plain(value: Any) -> str:
    """Text, so that words and numbers of one column stand under each other."""
    return "" if value is None else str(value)
