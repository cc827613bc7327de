"""`mvkit bench` leaves JSON and a figure with its data, and refuses in one line."""

import json

import pytest

from mvkit.cli import call

SMALL = ["--frames", "4", "--image", "48", "--rounds", "1", "--clock", "cpu"]


@pytest.mark.parametrize("command", ["step", "peer", "data", "growth", "masks", "scale", "ui"])
def test_every_benchmark_has_help_with_an_example(command, capsys):
    assert call(["bench", command, "--help"]) == 0
    assert f"Example: mvkit bench {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["step", "--method", "videomae", "--size", "tiny", "--batch", "2", *SMALL],
        ["scale", "--size", "tiny", "--axis", "ratio", "--processes", "1", *SMALL],
        ["data", "--files", "1", "--step", "", "--workers", "0", "--clips", "8", "--reader", "av", *SMALL],
    ],
)
def test_json_and_figure_are_left_in_the_folder(arguments, tmp_path, capsys):
    assert call(["bench", *arguments, "--out", str(tmp_path)]) == 0
    name = arguments[0]
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert record["bench"] == name and record["machine"]["cores"] >= 1 and record["results"]
    assert (tmp_path / f"{name}_figure.png").stat().st_size > 1000
    assert str(tmp_path / f"{name}.json") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["step", "--method", "videoame"], "unknown measured method 'videoame'"),
        (["scale", "--axis", "depth"], "unknown axis 'depth'"),
        (["peer", "--size", "tiny", *SMALL[:4], "--clock", "sun"], "unknown clock 'sun'"),
    ],
)
def test_a_refusal_is_one_line(arguments, message, capsys):
    assert call(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_growth_leaves_its_json(tmp_path, capsys):
    assert call(["bench", "growth", "--clips", "10", "--reader", "av", "--out", str(tmp_path)]) == 0
    assert {row["files"] for row in json.loads((tmp_path / "growth.json").read_text())["results"]} == {"kit", "web"}
