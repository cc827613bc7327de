"""The families of a paper: what runs have, redrawn for the venue; else words that say how to make it."""

from importlib import import_module

import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import OptionError
from mvkit.plugins import available
from mvkit.viz.paper import FAMILIES, Paper


def scores(value: float = 0.5):
    return viz.scores.comparison({"kNN": {"trained": np.array([value])}})


def test_every_drawing_belongs_to_one_family():
    rooms = [room for family in FAMILIES.values() for room in family.rooms]
    found = [
        room
        for room in available("mvkit.viz")
        if any(getattr(value, "is_drawing", False) for value in vars(import_module(f"mvkit.viz.{room}")).values())
    ]
    assert sorted([*rooms, "benchmarks"]) == sorted(found)  # `mvkit bench` draws those, not a run


def test_the_first_run_that_has_a_family_gives_it_at_the_width_of_the_venue(tmp_path):
    viz.Album(tmp_path / "b", run="03_mvd/b", seed=1).add("scores", scores(), caption="Newest.")
    viz.Album(tmp_path / "c", run="02_videomae/c", seed=1).add("scores", scores(0.25), caption="Older.")
    sources = {"01_x/a": tmp_path / "a", "03_mvd/b": tmp_path / "b", "02_videomae/c": tmp_path / "c"}
    paper = Paper(tmp_path / "paper", kit="neurips", sources=sources)
    page = paper.take("scores")
    assert "03_mvd-scores.pdf: 5.50 x" in repr(page) and "From run 03_mvd/b." in page._repr_html_()
    assert "\\includegraphics{03_mvd-scores.pdf}" in page._repr_html_()
    assert [row["run"] for row in paper.table()] == ["03_mvd/b"]


def test_where_no_run_has_a_family_it_says_which_command_makes_one(tmp_path):
    paper = Paper(tmp_path, kit="cvpr")
    page = paper.take("reconstruction")
    assert not page.figures and "`mvkit run 00_quickstart` makes one" in page._repr_html_()
    assert paper.table() == []
    with pytest.raises(OptionError, match="unknown family of figures 'scoers'; did you mean 'scores'"):
        paper.take("scoers")


def test_what_is_drawn_for_the_paper_lies_beside_the_rest(tmp_path):
    paper = Paper(tmp_path, kit="icml", width="full", seed=4)
    page = paper.add("scores", scores(), caption="Scores.")
    assert (tmp_path / "scores.tex").exists() and paper.table()[0]["inches"].startswith("6.75 x")
    assert "seed 4" in page._repr_html_().lower() and viz.rebuild(tmp_path / "scores.json").same_bytes


def test_a_drawing_that_does_not_fit_is_left_out_with_the_reason(tmp_path):
    boxes = [(f"a box that is rather long {n}", "", "input", n, n) for n in range(5)]
    diagram = viz.diagram.of(boxes, [(boxes[0][0], boxes[1][0])])
    album = viz.Album(tmp_path / "run", run="02_videomae/a")
    album.add("diagram", viz.diagram.method(diagram), caption="Wide.")
    page = Paper(tmp_path / "paper", kit="cvpr", width="column", sources={"02_videomae/a": tmp_path / "run"}).take(
        "diagram"
    )
    assert not page.figures and "Left out: this diagram needs" in page.words
