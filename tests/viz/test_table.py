"""Beside curves and tables lies a csv that pandas reads, with the numbers to the last bit."""

import numpy as np
import pandas as pd

from mvkit import viz

STEPS = np.array([20, 40, 60], np.float32)
LOSS = np.array([0.1, np.nan, 1e-9], np.float32)


def test_curves_leave_a_table_with_their_numbers_to_the_last_bit(tmp_path):
    monitor = {"motion": np.array([[20, 0.25], [60, 1 / 3]], np.float32)}
    drawn = viz.curves.training(STEPS, LOSS, monitors=monitor, chance={"motion": 0.125})
    table = pd.read_csv(viz.Album(tmp_path).add("training", drawn, caption="Loss.").csv)
    assert list(table) == ["argument", "label", "row", "column", "value"]
    loss = table.value.to_numpy(np.float32)[table.argument == "loss"]
    assert np.array_equal(loss, LOSS, equal_nan=True)
    assert table[table.argument == "monitors"].pivot(index="row", columns="column", values="value").shape == (2, 2)
    chance = table[table.argument == "chance"]
    assert list(chance.label) == ["motion"] and chance.value.item() == 0.125 and chance.row.isna().all()


def test_a_series_inside_a_series_has_both_names(tmp_path):
    drawn = viz.scores.comparison({"kNN": {"trained, last": np.array([0.5, 0.25])}})
    table = pd.read_csv(viz.Album(tmp_path).add("scores", drawn, caption="Scores.").csv)
    assert set(table.label) == {"kNN / trained, last"} and list(table.value) == [0.5, 0.25]


def test_pictures_and_diagrams_have_no_table(tmp_path):
    album, clips = viz.Album(tmp_path), np.zeros((1, 2, 8, 8, 3), np.uint8)
    diagram = viz.diagram.of([("clip", "", "input", 0, 0), ("loss", "", "loss", 0, 1)], [("clip", "loss")])
    figures = [
        album.add("clips", viz.clips.strips(clips), caption="Clips."),
        album.add("diagram", viz.diagram.method(diagram), caption="Diagram."),
    ]
    assert not any(figure.csv.exists() for figure in figures)
    assert all("csv" not in figure.record["sha256"] for figure in figures)
