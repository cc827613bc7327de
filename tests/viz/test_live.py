import sys

from mvkit.viz.live import TrainingLine


def test_the_line_keeps_what_earlier_lines_said_and_passes_each_on(capsys):
    passed = []
    line = TrainingLine(40, then=passed.append)
    line({"step": 0, "monitor/motion": 0.125})
    line({"step": 10, "loss": 0.5, "lr": 1e-3, "clips_per_s": 51.2})
    assert line.words().startswith("step 10/40   loss 0.5   motion 0.12   51 clips/s")
    assert [sent["step"] for sent in passed] == [0, 10]
    assert "step 10/40" in capsys.readouterr().err


def test_the_time_left_is_told_between_the_ends_only(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("mvkit.viz.live.time.monotonic", lambda: now[0])
    line = TrainingLine(100)
    line({"step": 0, "monitor/motion": 0.1})
    assert "left" not in line.words()
    now[0] = 110.0
    line({"step": 10, "loss": 1.0})
    assert line.words().endswith("1:30 left")
    line({"step": 100, "loss": 1.0})
    assert "left" not in line.words()


def test_without_a_notebook_nothing_of_ipython_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    TrainingLine(3)({"step": 1, "loss": 2.0})
