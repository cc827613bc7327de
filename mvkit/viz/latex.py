r"""A saved figure in a paper: drawn at the venue's printed width, and the LaTeX that includes it unscaled.

`export` redraws from the recorded data, so it needs neither model nor clip. What it leaves, NAME.pdf with its data and
record and NAME.tex, lies in one folder: `\input{figures/NAME}` with `\graphicspath{{figures/}}` in the preamble.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape as escaped_html
from pathlib import Path
from typing import Any

from mvkit.errors import OptionError, RunError
from mvkit.viz import style
from mvkit.viz.figure import rebuild
from mvkit.viz.saved import SavedFigure, runs_of

# What pdflatex does not take as it is: its own signs, and those outside its fonts.
SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "×": r"$\times$", "−": "$-$", "±": r"$\pm$", "·": r"$\cdot$",
    "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "≈": r"$\approx$", "→": r"$\to$", "∞": r"$\infty$",
    "…": r"\ldots{}", "°": r"$^\circ$", "²": "$^2$", "³": "$^3$", "⁻": "$^-$", "¹": "$^1$", "½": "$1/2$",
    "α": r"$\alpha$", "β": r"$\beta$", "ε": r"$\epsilon$", "λ": r"$\lambda$", "μ": r"$\mu$", "µ": r"$\mu$",
    "ρ": r"$\rho$", "σ": r"$\sigma$", "τ": r"$\tau$", "–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''",
}  # fmt: skip
NAME = re.compile(r"[\w.+-]+", re.ASCII)
BREAKS = re.compile(r"([(/])")  # in code, a line may end behind these, and at spaces
BREAK = r"\1\\allowbreak{}"


@dataclass(frozen=True)
class Exported:
    """A figure in a paper's folder; shows itself in a notebook with its LaTeX below. tex: the snippet."""

    figure: SavedFigure
    tex: Path

    def __repr__(self) -> str:
        width, height = self.figure.record["size_inches"]
        return f"{self.figure.pdf.name}: {width:.2f} x {height:.2f} in, {self.figure.record['venue']}"

    def _repr_html_(self) -> str:
        return f"{self.figure._repr_html_()}<pre>{escaped_html(self.tex.read_text(encoding='utf-8'))}</pre>"


def export(
    figure: SavedFigure, folder: str | Path, *, kit: str, width: str = "auto", name: str | None = None
) -> Exported:
    """Draw a saved figure for a conference and write its LaTeX beside it.

    kit, width: as `style.venue` takes them; auto keeps the width it was drawn for. name: of the files, by default the
    figure's own. Raises OptionError for a width the conference lacks, a drawing that does not fit it or a page, and a
    name that TeX cannot include; RunError where the folder has another figure of that name.
    """
    name = figure.record["name"] if name is None else name
    if not NAME.fullmatch(str(name)):
        raise OptionError(f"figure '{name}' cannot be included by TeX: give it a name of letters, digits and ._+-")
    venue = style.venue(kit, width, figure.record["venue"])
    _refuse_other(figure, Path(folder) / f"{name}.json")
    return write_snippet(rebuild(figure.json, folder, venue=venue, name=name))


def write_snippet(figure: SavedFigure) -> Exported:
    """NAME.tex beside a figure as it is."""
    tex = figure.json.with_suffix(".tex")
    tex.write_text(snippet(figure.record), encoding="utf-8")
    return Exported(figure, tex)


def snippet(record: dict[str, Any]) -> str:
    """The figure environment of a record: the picture unscaled, caption with the facts, label."""
    kit, _, width = record["venue"].rpartition("-")
    spans = width == "full" and f"{kit}-column" in style.VENUES
    environment = "figure*" if spans else "figure"
    wide, tall = record["size_inches"]
    # A comment ends with its line: no fact may bring another line with it.
    run = ", ".join(runs_of(record)) or "none"
    origin = " ".join(f"{record['function']}, run {run}, commit {record['commit'] or 'unknown'}".split())
    return "\n".join(
        [
            f"% {wide:.2f} x {tall:.2f} in, drawn for {record['venue']}: include it as it is, do not scale.",
            f"% {origin}",
            rf"\begin{{{environment}}}[t]",
            r"  \centering",
            rf"  \includegraphics{{{record['name']}.pdf}}",
            rf"  \caption{{{_caption(record)}}}",
            rf"  \label{{fig:{record['name']}}}",
            rf"\end{{{environment}}}",
            "",
        ]
    )


def escape(text: str) -> str:
    """Text as TeX prints it. Letters of other alphabets stay, for engines that have them."""
    return "".join(SIGNS.get(sign, sign) for sign in text)


def code(text: str) -> str:
    """Code as TeX prints it: in typewriter type, with places where a line may end."""
    return rf"\texttt{{{BREAKS.sub(BREAK, escape(text))}}}"


def _caption(record: dict[str, Any]) -> str:
    """The caption and then the facts it does not say itself."""
    said, facts = record["caption"].strip(), record["facts"]
    sentences = [escape(said if said[-1] in ".?!" else f"{said}.")]
    if facts.get("honesty") and facts["honesty"] not in said:
        sentences.append(escape(f"{facts['honesty'].rstrip('.')}."))
    told = []
    maskers = facts.get("maskers") or ([facts["masker"]] if facts.get("masker") else [])
    if maskers:
        told.append(f"{'Masks' if len(maskers) > 1 else 'Mask'}: {', '.join(map(code, maskers))}")
    if record["seed"] is not None:
        told.append(f"seed {record['seed']}")
    if facts.get("checkpoint"):
        told.append(f"checkpoint {code(str(facts['checkpoint']))}")
    elif runs := runs_of(record):
        told.append(f"run {', '.join(map(code, runs))}")
    if told:
        line = "; ".join(told)
        sentences.append(f"{line[0].upper()}{line[1:]}.")
    return "\n    ".join(sentences)


def _refuse_other(figure: SavedFigure, target: Path) -> None:
    """An export may be repeated, but not lie over a figure with other data."""
    if not target.exists():
        return
    there = SavedFigure.open(target).record
    if any(there[part] != figure.record[part] for part in ("function", "facts")):
        run = ", ".join(runs_of(there)) or "no run"
        raise RunError(f"{target.with_suffix('.pdf')} is another figure, of {run}: export under another name")
