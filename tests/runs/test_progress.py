"""The progress line on a terminal, in a file, and when the terminal is gone."""

import io

from mvkit.runs.progress import Progress


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
