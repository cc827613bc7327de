"""The first page: every run in one table, means over seeds, what did not end and why, broken videos, provenance."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from itertools import chain
from typing import Any
from urllib.parse import quote

from mvkit.runs.account import Account
from mvkit.runs.measures import leading
from mvkit.runs.seeds import Group, differing, groups
from mvkit.runs.site.look import badge, cell, head, page, row, table

OPTIONS, MEASURES = 10, 6  # columns at most; what does not fit is in the run's own report
_NEXT = {
    "failed": "mend it, then run it with --retry",
    "skipped": "runs once what it needs is done: call the sweep again",
    "unreadable": "move the broken file away and run it again",
}
_GOES_ON = "the same command goes on from its checkpoint"


def overview(runs: Sequence[Account], made: str, *, metrics: Sequence[str] = (), links: Mapping[str, str]) -> str:
    """HTML of index.html. made: when, as text. metrics: measures to show; links: run -> its report in the site."""
    counts = Counter(sorted((run.state for run in runs), key=lambda state: (state != "done", state)))
    lead = f"<p>{', '.join(f'{count} {escape(state)}' for state, count in counts.items())}; {escape(made)}.</p>"
    chosen = list(metrics) or shown_measures(runs)
    grouped = groups(runs)
    parts = [
        ("All runs", _runs(runs, chosen, links)),
        ("Mean and spread over seeds", _seeds(grouped, chosen)),
        ("Failed, interrupted and skipped", _stopped(runs)),
        ("Videos skipped or replaced", _broken(runs)),
        ("Provenance", _provenance(runs)),
    ]
    return page(
        "index.html", "Runs", lead, "".join(f"<section><h2>{name}</h2>{html}</section>" for name, html in parts)
    )


def shown_measures(runs: Sequence[Account]) -> list[str]:
    """Those that most runs have come first among equals."""
    counts = Counter(name for run in runs for name in run.measures)
    return leading([name for name, _ in counts.most_common()], MEASURES)


def varied(runs: Sequence[Account]) -> dict[str, list[str]]:
    """Notebook -> the parameters in which its runs differ."""
    by_notebook: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        by_notebook.setdefault(run.notebook, []).append(run.options)
    return {notebook: differing(options) for notebook, options in by_notebook.items()}


def _runs(runs: Sequence[Account], measures: Sequence[str], links: Mapping[str, str]) -> str:
    names = list(dict.fromkeys(chain.from_iterable(varied(runs).values())))
    names, left_out = names[:OPTIONS], names[OPTIONS:]
    heads = [head("run", sortable=True), head("state", sortable=True)]
    heads += [head(name, number=True, sortable=True) for name in measures]
    heads += [head(name, sortable=True) for name in names]
    heads += [head("took, s", number=True, sortable=True), head("started", sortable=True)]
    rows = []
    for run in runs:
        data = f' data-state="{escape(run.state)}" data-notebook="{escape(run.notebook)}"'
        started = str(run.status.get("started", "")).replace("T", " ")[:16]
        cells = [f"<td>{badge(run.state)}</td>", *(cell(run.measures.get(name)) for name in measures)]
        cells += [cell(_option(run.options.get(name))) for name in names]
        cells += [cell(run.status.get("seconds")), cell(started)]
        rows.append(row(_linked(run, links), cells, data))
    states, notebooks = (sorted(set(each)) for each in ([r.state for r in runs], [r.notebook for r in runs]))
    caption = "Runs, those last begun first, with the parameters in which runs of one notebook differ"
    caption += f" (not shown: {', '.join(left_out)})" if left_out else ""
    caption += "; “trained” is the encoder that the run trained. Times are UTC."
    return _form(states, notebooks) + table("runs", caption, heads, rows, tall=True)


def _form(states: Sequence[str], notebooks: Sequence[str]) -> str:
    def choice(name: str, values: Sequence[str]) -> str:
        options = "".join(f'<option value="{escape(one)}">{escape(one)}</option>' for one in values)
        return f'<label>{name}<select name="{name}"><option value="">any</option>{options}</select></label>'

    return (
        '<form hidden data-table="runs" role="search"><label>words in a row'
        '<input name="search" type="search" autocomplete="off"></label>'
        f'{choice("state", states)}{choice("notebook", notebooks)}<output aria-live="polite"></output></form>'
    )


def _linked(run: Account, links: Mapping[str, str]) -> str:
    name = escape(run.name)
    return f'<a href="{quote(links[run.name])}">{name}</a>' if run.name in links else name


def _option(value: Any) -> Any:
    return value if isinstance(value, int | float | str | None) else str(value)


def _seeds(found: Sequence[Group], measures: Sequence[str]) -> str:
    found = [group for group in found if group.done]
    if not found:
        return "<p>No run is done yet.</p>"
    names, rows = varied([group.runs[0] for group in found]), []
    for group in found:
        seeds = ", ".join(str(run.seed) for run in group.done if run.seed is not None)
        note = "" if group.same_clips else " (each its own clips)"
        own = [
            f"{name} {group.settings[name]}"
            for name in names[group.notebook]
            if group.settings.get(name) not in (None, "")
        ]
        cells = [f'<td class="number">{len(group.done)}</td>', cell(f"{seeds}{note}")]
        cells += [*(_spread(group, name) for name in measures), cell(group.code)]
        rows.append(row(escape(", ".join([group.notebook, *own])), cells))
    heads = ["settings", head("n", number=True), "seeds", *(head(one, number=True) for one in measures), "code"]
    caption = (
        "Runs with the same parameters and the same code but for their seeds: mean ± standard deviation of a sample "
        "(n - 1), lowest to highest in brackets. One seed has no spread. Settings are those in which runs differ."
    )
    return table("seeds", caption, heads, rows)


def _spread(group: Group, measure: str) -> str:
    spread = group.spread(measure)
    if spread is None:
        return "<td></td>"
    ends = f" [{spread.low:.4g}, {spread.high:.4g}]" if spread.n > 1 else ""
    of = f" (n = {spread.n})" if spread.n != len(group.done) else ""
    return f'<td class="number" data-value="{spread.mean}">{spread}{ends}{of}</td>'


def _stopped(runs: Sequence[Account]) -> str:
    stopped = [run for run in runs if run.state not in ("done", "running", "queued")]
    rows = [
        row(escape(run.name), [f"<td>{badge(run.state)}</td>", f'<td class="words">{escape(run.cause)}</td>',
                               cell(_NEXT.get(run.state, "" if run.state == "not begun" else _GOES_ON))])
        for run in stopped
    ]  # fmt: skip
    if not rows:
        return "<p>None: every run that has ended is done.</p>"
    return table("stopped", "Runs without results, and why", ["run", "state", "cause", "what to do"], rows)


def _broken(runs: Sequence[Account]) -> str:
    found: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        for path, why in run.broken.items():
            found.setdefault((path, why), []).append(run.name)
    if not found:
        return "<p>None: no run has met a video that it could not read.</p>"
    rows = [
        row(escape(path), [f'<td class="words">{escape(why)}</td>', cell(len(names)), cell(_few(names))])
        for (path, why), names in found.items()
    ]
    heads = ["video", "why", head("runs", number=True), "which"]
    return table("broken", "Videos that could not be read; others were shown in their place", heads, rows)


def _provenance(runs: Sequence[Account]) -> str:
    found: dict[tuple[str, ...], list[Account]] = {}
    for run in runs:
        if run.provenance:
            found.setdefault(_origin(run.provenance), []).append(run)
    if not found:
        return "<p>No run has recorded where it comes from.</p>"
    rows = []
    for origin, made in found.items():
        commands = "".join(
            f"<li><code>{escape(shlex.join(r.provenance.get('command', [])))}</code></li>" for r in made[:50]
        )
        more = f"<li>and {len(made) - 50} more</li>" if len(made) > 50 else ""
        folded = f"<details><summary>{len(made)} commands</summary><ul>{commands}{more}</ul></details>"
        rows.append(
            row(
                escape(origin[0]),
                [*map(cell, origin[1:]), cell(_few([r.name for r in made])), f'<td class="words">{folded}</td>'],
            )
        )
    heads = ["commit", "code", "versions", "machine", "device", "runs", "commands"]
    return table("provenance", "Where the runs come from: code, versions, machine", heads, rows)


def _origin(record: Mapping[str, Any]) -> tuple[str, ...]:
    code, machine, versions = (record.get(part) or {} for part in ("code", "machine", "versions"))
    commit = str(code.get("commit") or "none")[:10] + (f", changed ({code['dirty'][:7]})" if code.get("dirty") else "")
    told = ", ".join(f"{name} {versions[name]}" for name in ("python", "torch", "numpy") if versions.get(name))
    computer = f"{machine.get('cpu', '?')}, {machine.get('cores', '?')} cores"
    return (
        commit,
        f"mvkit {code.get('mvkit', '?')}, {str(code.get('hash', '?'))[:7]}",
        told,
        computer,
        record.get("device") or "",
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
