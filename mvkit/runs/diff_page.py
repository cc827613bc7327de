"""A difference as one offline page: tables, figures side by side, the notebooks' changes."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from nbconvert.filters import ansi2html

from mvkit.runs.diff import Difference, Row
from mvkit.runs.page import POLICY, STYLE

_STYLE = """
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; align-items: start; }
.pair img { border: 1px solid var(--line); } .outside td, .outside th { background: #fdecea; }
.ansi-green-fg { color: #1f6f43; } .ansi-red-fg { color: #9c1c15; } .ansi-blue-fg, .ansi-cyan-fg { color: #0b5c8f; }
@media (max-width: 40rem) { .pair { grid-template-columns: 1fr; } }
"""


def diff_page(found: Difference) -> str:
    """HTML that loads nothing and runs nothing."""
    title = f"{found.a.name} and {found.b.name}"
    outside = len(found.outside)
    verdict = f"{outside} of {len(found.numbers)} numbers differ by more than {found.tolerance:.3g} (relative)"
    notebook = f"<pre>{ansi2html(found.notebook)}</pre>" if found.notebook else "<p>the same</p>"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}{_STYLE}</style>
</head>
<body>
<header><h1>Two runs compared</h1>
<p>A is <b>{escape(found.a.name)}</b>, B is <b>{escape(found.b.name)}</b>. {verdict}.</p></header>
<main>
<h2>Parameters that differ</h2>{_table(found.parameters)}
<h2>Numbers</h2>{_table(found.numbers)}
<h2>Other results that differ</h2>{_table(found.texts)}
<h2>Figures</h2>{"".join(map(_figure, found.figures)) or "<p>none</p>"}
<h2>Notebook</h2>{notebook}
<h2>Provenance that differs</h2>{_table(found.provenance)}
</main>
</body>
</html>
"""


def _table(rows: Sequence[Row]) -> str:
    if not rows:
        return "<p>none</p>"
    head = "<tr><th scope=col>name</th><th scope=col>A</th><th scope=col>B</th><th scope=col>agree</th></tr>"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(map(_line, rows))}</tbody></table></div>'


def _line(row: Row) -> str:
    name, a, b = (escape(_text(value)) for value in (row.name, row.a, row.b))
    mark, word = ("", "yes") if row.agrees else (' class="outside"', "no")
    return f'<tr{mark}><th scope="row">{name}</th><td>{a}</td><td>{b}</td><td>{word}</td></tr>'


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _figure(row: Row) -> str:
    name, pictures = escape(row.name), ""
    for run, path in (("A", row.a), ("B", row.b)):
        if Path(path).is_file():
            source = f"data:image/png;base64,{b64encode(Path(path).read_bytes()).decode()}"
            picture = f'<img alt="Figure {name} of run {run}" src="{source}">'
        else:
            picture = "<p>not there</p>"
        pictures += f"<figure>{picture}<figcaption>{run}</figcaption></figure>"
    word = "the same picture" if row.agrees else "differs"
    return f'<h3>{name}: {word}</h3><div class="pair">{pictures}</div>'
