"""The second page: small multiples, the same figure of many runs beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import quote

from mvkit.runs.account import Account
from mvkit.runs.site.look import page
from mvkit.runs.site.overview import varied

Pictures = Mapping[tuple[str, str], str]  # run, figure -> its file in the site


def shown_figures(runs: Sequence[Account], most: int) -> dict[tuple[str, str], list[Account]]:
    """(notebook, figure) -> the first `most` runs that have it."""
    found: dict[tuple[str, str], list[Account]] = {}
    for run in runs:
        for name in run.figures:
            those = found.setdefault((run.notebook, name), [])
            if len(those) < most:
                those.append(run)
    return dict(sorted(found.items()))


def gallery(runs: Sequence[Account], pictures: Pictures, most: int) -> str:
    """HTML of figures.html. most: runs that each figure is shown of."""
    shown, names = shown_figures(runs, most), varied(runs)
    if not shown:
        return page("figures.html", "Figures", "<p>No run has saved a figure yet.</p>", "")
    ids = {key: f"figure-{number}" for number, key in enumerate(shown)}
    links = "".join(f'<li><a href="#{ids[key]}">{escape(" / ".join(key))}</a></li>' for key in shown)
    body = ""
    for (notebook, figure), those in shown.items():
        every = sum(run.notebook == notebook and figure in run.figures for run in runs)
        count = (
            f"{len(those)} of {every} runs, those last begun"
            if every > len(those)
            else f"{every} run{'s' * (every > 1)}"
        )
        pieces = "".join(picture(run, figure, words(run, names[notebook]), pictures) for run in those)
        body += f'<section><h2 id="{ids[notebook, figure]}">{escape(notebook)}: {escape(figure)}</h2><p>{count}</p>'
        body += f'<div class="grid">{pieces}</div></section>'
    return page("figures.html", "Figures", f'<nav aria-label="Figures"><ul>{links}</ul></nav>', body)


def picture(run: Account, figure: str, caption: str, pictures: Pictures) -> str:
    """A figure as it was saved; it opens in full."""
    if (run.name, figure) not in pictures:
        return f"<figure><p>No figure “{escape(figure)}”.</p><figcaption>{escape(caption)}</figcaption></figure>"
    source, alt = quote(pictures[run.name, figure]), escape(f"Figure {figure} of run {run.name}")
    return (
        f'<figure><a href="{source}"><img alt="{alt}" src="{source}" loading="lazy"></a>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def words(run: Account, names: Sequence[str]) -> str:
    """A run by its id and what sets it apart."""
    return ", ".join(
        [run.name, *(f"{name} {run.options[name]}" for name in names if run.options.get(name) not in (None, ""))]
    )
