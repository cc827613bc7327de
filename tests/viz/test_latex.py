"""A figure in a paper: final size, and LaTeX that says what must be known of it."""

import re
from pathlib import Path

import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import OptionError, RunError
from mvkit.viz import latex


def figure(folder: Path, *, caption: str = "Accuracy of 3 seeds, 100% held out", **facts):
    drawn = viz.scores.comparison({"kNN": {"trained": np.array([0.5, 0.25])}})
    return viz.save(drawn[0], "scores", folder, data=drawn[1], caption=caption, facts=facts)


def test_an_export_is_drawn_at_the_printed_width_and_included_unscaled(tmp_path):
    made = latex.export(figure(tmp_path / "run"), tmp_path / "paper", kit="neurips")
    assert made.figure.record["size_inches"][0] == 5.5
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", made.figure.pdf.read_bytes())
    assert box and float(box[1]) == pytest.approx(5.5 * 72)
    text = made.tex.read_text()
    assert r"\includegraphics{scores.pdf}" in text and r"\label{fig:scores}" in text and "5.50 x " in text
    assert viz.rebuild(made.figure.json).same_bytes


@pytest.mark.parametrize(
    ("kit", "width", "environment"),
    [("cvpr", "column", "figure"), ("cvpr", "full", "figure*"), ("neurips", "full", "figure")],
)
def test_only_a_figure_over_two_columns_is_starred(kit, width, environment, tmp_path):
    text = latex.export(figure(tmp_path / "run"), tmp_path / "paper", kit=kit, width=width).tex.read_text()
    assert rf"\begin{{{environment}}}[t]" in text and rf"\end{{{environment}}}" in text


def test_the_caption_says_the_facts_that_it_does_not_say_itself(tmp_path):
    facts = {
        "masker": "TubeMasker(ratio=0.9)",
        "seed": 3,
        "checkpoint": "runs/a_b/checkpoint",
        "honesty": "Pixels of hidden tokens are predicted.",
        "run": "00_quickstart/0123456789",
    }
    text = latex.snippet(figure(tmp_path, **facts).record)
    plain = " ".join(text.replace(r"\allowbreak{}", "").split())
    assert r"Accuracy of 3 seeds, 100\% held out. Pixels of hidden tokens are predicted. Mask: " in plain
    assert r"Mask: \texttt{TubeMasker(ratio=0.9)}; seed 3; checkpoint \texttt{runs/a\_b/checkpoint}.}" in plain
    again = latex.snippet(figure(tmp_path / "b", caption=f"Scores. {facts['honesty']}", **facts).record)
    assert again.count("Pixels of hidden tokens are predicted.") == 1


def test_a_figure_of_a_run_without_a_checkpoint_names_the_run(tmp_path):
    text = latex.snippet(figure(tmp_path, run="00_quickstart/0123456789").record).replace(r"\allowbreak{}", "")
    assert r"Run \texttt{00\_quickstart/0123456789}." in text


def test_nothing_in_a_caption_means_something_to_tex(tmp_path):
    odd = "50% of $x_1^2$ & #3 {a}~\\b <c> 2 × 3 – “q” σ ç |d|"
    text = latex.snippet(figure(tmp_path, caption=odd, masker="M(a={'b': 1})", run="x\n\\input{y}/z").record)
    assert r"50\% of \$x\_1\textasciicircum{}2\$ \& \#3 \{a\}\textasciitilde{}\textbackslash{}b" in text
    assert r"\textless{}c\textgreater{} 2 $\times$ 3 -- ``q'' $\sigma$ ç \textbar{}d\textbar{}." in text
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    bare = re.sub(r"\\.", "", "".join(lines))
    assert bare.count("{") == bare.count("}") and "%" not in bare and "\\input{y}" not in "".join(lines)


def test_what_tex_cannot_include_or_a_venue_cannot_hold_is_refused(tmp_path):
    one = figure(tmp_path / "run")
    with pytest.raises(OptionError, match="name of letters, digits"):
        latex.export(one, tmp_path / "paper", kit="cvpr", name="my figure")
    with pytest.raises(OptionError, match="neurips has no width 'column'"):
        latex.export(one, tmp_path / "paper", kit="neurips", width="column")
    assert not (tmp_path / "paper").exists()


def test_an_export_may_be_repeated_but_not_replace_the_figure_of_another_run(tmp_path):
    first = figure(tmp_path / "a", run="00_quickstart/aaa")
    for width in ("column", "full"):
        latex.export(first, tmp_path / "paper", kit="cvpr", width=width)
    with pytest.raises(RunError, match="is another figure, of 00_quickstart/aaa: export under another name"):
        latex.export(figure(tmp_path / "b", run="00_quickstart/bbb"), tmp_path / "paper", kit="cvpr")
    made = latex.export(figure(tmp_path / "b", run="00_quickstart/bbb"), tmp_path / "paper", kit="cvpr", name="other")
    assert made.figure.pdf.name == "other.pdf" and r"{other.pdf}" in made.tex.read_text()
