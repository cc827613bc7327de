"""What all pages of a site share: style, the head and its lock, tables that say what they are."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape

from mvkit.runs.page import STYLE
from mvkit.runs.site.script import SCRIPT
from mvkit.version import __version__

_HASH = b64encode(sha256(SCRIPT.encode()).digest()).decode()
# Pictures beside the pages, the one script known by its hash, nothing else; nothing from the network.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src 'self' data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{_HASH}'"
)
_STYLE = """
main, header, footer { max-width: 100rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; margin: .5rem 0; }
nav a, td a { display: inline-block; padding: .15rem 0; } [aria-current] { font-weight: 600; color: var(--ink); }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, .scroll:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; }
caption > span { display: block; position: sticky; left: 0; white-space: normal;
  max-width: min(60rem, calc(100vw - 2rem)); }
tbody th { font-weight: 500; } .scroll tbody th.words { white-space: normal; min-width: 11rem; max-width: 24rem; }
.scroll table { white-space: nowrap; } .scroll td.words { white-space: normal; min-width: 14rem; }
.scroll td, .scroll th { overflow-wrap: normal; padding-right: 1rem; }
thead th { border-bottom: 2px solid var(--soft); vertical-align: bottom; }
.scroll thead th.number { white-space: normal; min-width: 5rem; max-width: 9rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.scroll.tall { max-height: 80vh; overflow-y: auto; } .tall thead th { position: sticky; top: 0; background: #fff; }
.skipped, .killed, .unreadable { background: #9c1c15; } .not-begun, .missing { background: #59636b; }
form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: end; margin: 1rem 0; }
form[hidden] { display: none; } form label { display: grid; font-size: .85rem; color: var(--soft); }
form input, form select, th button { font: inherit; color: inherit; } form input { width: min(22rem, 85vw); }
form input, form select { padding: .35rem .5rem; border: 1px solid #76828b; border-radius: 4px; min-height: 2.4rem; }
th button { border: 0; background: none; padding: 0; font-weight: inherit; cursor: pointer; text-align: inherit; }
th button { text-decoration: underline dotted; text-underline-offset: .25em; }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
.notice { border-left: 4px solid #c58a00; background: #fff8e6; padding: .5rem .8rem; max-width: 60rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
.grid figure { margin: 0; } .grid img { border: 1px solid var(--line); width: 100%; background: #fff; }
.grid figcaption { overflow-wrap: anywhere; }
dl.letters { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; } dl.letters dd { margin: 0; }
dl.letters dt { font-weight: 600; } dl.letters dd { overflow-wrap: anywhere; }
@media print { form, nav { display: none; } .scroll, .scroll.tall { overflow: visible; max-height: none; } }
"""
PAGES = {"index.html": "Runs", "figures.html": "Figures", "compare.html": "Compare"}


def page(name: str, title: str, lead: str, body: str) -> str:
    """A whole page. name: its file, of PAGES; lead, body: HTML."""
    links = "".join(
        f'<li><a href="{file}"{" aria-current=page" if file == name else ""}>{words}</a></li>'
        for file, words in PAGES.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="mvkit {__version__}">
<title>{escape(title)}</title>
<style>{STYLE}{_STYLE}</style>
</head>
<body>
<header><nav aria-label="Pages"><ul>{links}</ul></nav><h1>{escape(title)}</h1>{lead}</header>
<main>{body}</main>
<footer>Made by mvkit {__version__}. Nothing on these pages is fetched from the network.</footer>
<script>{SCRIPT}</script>
</body>
</html>
"""


def table(name: str, caption: str, heads: Sequence[str], rows: Iterable[str], *, tall: bool = False) -> str:
    """A table that scrolls by itself. name: its id. heads: words, or whole <th>; rows: made by `row`."""
    head = "".join(one if one.startswith("<th") else f'<th scope="col">{escape(one)}</th>' for one in heads)
    look = "scroll tall" if tall else "scroll"
    return (
        f'<div class="{look}" role="region" tabindex="0" aria-labelledby="{name}-caption"><table id="{name}">'
        f'<caption id="{name}-caption"><span>{escape(caption)}</span></caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def row(head: str, cells: Iterable[str], attributes: str = "") -> str:
    """head: HTML of the row's header; cells: <td> as `cell` makes them."""
    classes = " class=words" if len(head) > 40 and "<" not in head else ""
    return f'<tr{attributes}><th scope="row"{classes}>{head}</th>{"".join(cells)}</tr>'


def cell(value: object) -> str:
    """A value of any kind; numbers to the right, with what they are sorted by."""
    match value:
        case None | "":
            return "<td></td>"
        case bool():
            return f"<td>{value}</td>"
        case int() | float():
            words = f"{value:.4g}" if isinstance(value, float) else str(value)
            return f'<td class="number" data-value="{value}">{words}</td>'
    words = str(value)
    return f"<td{' class=words' if len(words) > 40 else ''}>{escape(words)}</td>"


def badge(state: str) -> str:
    return f'<span class="state {escape(state.replace(" ", "-"))}">{escape(state)}</span>'


def head(words: str, *, number: bool = False, sortable: bool = False) -> str:
    """A column's header; the script makes a button of a sortable one."""
    classes = " class=number" if number else ""
    return f'<th scope="col"{classes}{" data-sort" if sortable else ""}>{escape(words)}</th>'
