"""The progress line on a terminal, in a file, and when the terminal is gone."""

import io
import json
import os
import time
from pathlib import Path

from mvkit.runs.progress import Progress, training


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(Terminal):
    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


def test_a_terminal_line_is_rewritten_and_leaves_nothing_of_a_longer_one():
    stream = Terminal()
    line = Progress("run", stream)
    line.show("cell 1/2", {"seconds": 3, "step": 10, "loss": 0.123456})
    line.show("cell 2/2")
    line.end()
    first, second = stream.getvalue().split("\r")[1:]
    assert first == "run  cell 1/2  0:00  step 10  loss 0.1235"
    assert second == "run  cell 2/2  0:00".ljust(len(first)) + "\n"


def test_a_file_gets_whole_lines_and_only_those_worth_keeping():
    stream = io.StringIO()
    line = Progress("run", stream)
    line.show("cell 1/2")
    line.show("cell 1/2", {"loss": 1.0}, keep=False)
    line.end()
    assert stream.getvalue() == "run  cell 1/2  0:00\n"


def test_a_closed_terminal_stops_the_line_and_not_the_run():
    line = Progress("run", Closed())
    line.show("cell 1/2")
    line.show("cell 2/2")
    line.end()


def write_journal(folder: Path, *lines: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 9')


def test_a_training_says_its_step_of_all_steps_and_its_loss_first(tmp_path):
    write_journal(
        tmp_path,
        {"step": 0, "monitor/knn/motion": 0.125},
        {"step": 400, "loss": 0.031, "part/pixels": 0.031, "lr": 0.001, "grad_norm": 2.0, "clips_per_s": 91.5},
        {"step": 401, "monitor/knn/motion": 0.25, "seconds": 3},
    )
    assert training(tmp_path) == ("step 401", {"loss": 0.031, "knn/motion": 0.25, "clips_per_s": 91.5})
    (tmp_path / "spec.json").write_text('{"steps": 2400}')
    assert training(tmp_path)[0] == "step 401/2400"


def test_the_journal_written_last_is_the_training_that_goes_on_and_older_ones_are_not_it(tmp_path):
    assert training(tmp_path) == ("", {})
    write_journal(tmp_path / "checkpoint" / "teacher", {"step": 3, "loss": 1.0})
    os.utime(tmp_path / "checkpoint" / "teacher" / "metrics.jsonl", (1e9, 1e9))
    write_journal(tmp_path / "checkpoint" / "student", {"step": 5, "loss": 0.5})
    assert training(tmp_path) == ("step 5", {"loss": 0.5})
    assert training(tmp_path, since=time.time() + 60) == ("", {})


def test_a_file_hears_of_new_numbers_now_and_then(monkeypatch):
    stream = io.StringIO()
    line = Progress("run", stream)
    line.show("cell 1/2")
    line.show("cell 1/2", {"loss": 1.0}, keep=False)
    monkeypatch.setattr("mvkit.runs.progress._QUIET_SECONDS", 0)
    line.show("cell 1/2", {"loss": 0.5}, keep=False)
    line.show("cell 1/2", {"loss": 0.5}, keep=False)
    assert stream.getvalue() == "run  cell 1/2  0:00\nrun  cell 1/2  0:00  loss 0.5\n"
