import json
import os

import numpy as np
import pytest
from PIL import Image

from mvkit.errors import OptionError, RunError
from mvkit.runs.explorer import RunExplorer
from mvkit.runs.listing import chosen, differing, rows_of
from mvkit.runs.pictures import Pictures
from mvkit.runs.plot import Curve, Panel
from mvkit.runs.roster import span
from mvkit.viz import style
from mvkit.widgets.twin import twin

STEPS = range(5, 45, 5)


def make_run(reports, name, begun, *, ratio, state="done", factor=1.0, steps=STEPS, pictures=False):
    folder = reports / name
    (folder / "figures").mkdir(parents=True)
    (folder / "params.json").write_text(json.dumps({"ratio": ratio, "masker": "tube", "seed": 0}))
    os.utime(folder / "params.json", (begun, begun))
    (folder / "status.json").write_text(json.dumps({"state": state, "seconds": 75.0, "run": name}))
    lines = [{"step": 0, "monitor/knn/motion": 0.1}]
    lines += [
        {"step": n, "loss": factor / n, "part/direct": factor / n / 2, "part/pixels": 0.1, "lr": 0.1} for n in steps
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if pictures:
        look = Pictures(folder / "pictures", draw=lambda shade: np.full((30, 50, 3), shade, np.uint8))
        for step in (0, 20, 40):
            look(step, 40 + step)
    else:
        Image.fromarray(np.full((40, 60, 3), 7, np.uint8)).save(folder / "figures" / "masks.png")


@pytest.fixture
def reports(tmp_path):
    make_run(tmp_path, "04_amd/aaa", 100, ratio=0.75, pictures=True)
    make_run(tmp_path, "04_amd/bbb", 200, ratio=0.9, factor=0.5)
    make_run(tmp_path, "06_umt/ccc", 300, ratio=0.9, state="failed", steps=range(5, 25, 5))
    return tmp_path


def test_runs_are_found_filtered_and_sorted(reports):
    rows = rows_of(reports)
    assert [row.name for row in rows] == ["06_umt/ccc", "04_amd/bbb", "04_amd/aaa"]
    assert [row.name for row in chosen(rows, search="AMD ratio=0.9")] == ["04_amd/bbb"]
    assert [row.name for row in chosen(rows, state="done", sort="name")] == ["04_amd/aaa", "04_amd/bbb"]
    assert [row.name for row in chosen(rows, notebook="06_umt")] == ["06_umt/ccc"]
    assert [row.name for row in chosen(rows, sort="loss")] == ["04_amd/bbb", "04_amd/aaa", "06_umt/ccc"]
    assert differing(rows) == ["ratio"] and rows[1].loss == pytest.approx(0.5 / 40) and rows[1].step == 40
    with pytest.raises(OptionError, match="order of runs"):
        chosen(rows, sort="colour")


def test_a_broken_status_does_not_hide_the_other_runs(reports):
    (reports / "04_amd" / "bbb" / "status.json").write_text("{")
    assert [row.state for row in rows_of(reports)] == ["failed", "unreadable", "done"]


def test_the_folder_of_one_run_is_one_row(reports):
    assert [row.name for row in rows_of(reports / "04_amd" / "aaa")] == ["04_amd/aaa"]


def test_folders_may_be_given_one_by_one_and_a_folder_of_something_else_is_refused(reports, tmp_path):
    alone = reports / "04_amd" / "aaa"
    (alone / "status.json").unlink()
    assert [row.state for row in rows_of([alone])] == ["missing"]
    with pytest.raises(RunError, match="is no run"):
        rows_of([tmp_path])
    with pytest.raises(RunError, match="mvkit demo"):
        rows_of(tmp_path / "nowhere")


def test_the_controls_follow_the_filters_and_the_run(reports):
    explorer = RunExplorer(reports)
    assert explorer.values["run"] == "06_umt/ccc" and explorer.values["step"] == 20
    assert explorer.values["picture"] == "masks"
    explorer.set(search="ratio=0.75")
    controls = {control.name: control for control in explorer.controls}
    assert explorer.values["run"] == "04_amd/aaa" and controls["run"].choices == ("04_amd/aaa",)
    assert explorer.values["picture"] == "at the step" and controls["step"].high == 40 and controls["step"].step == 5


def test_a_search_that_fits_nothing_is_one_line_and_keeps_the_explorer_alive(reports):
    explorer = RunExplorer(reports)
    explorer.set(search="videomae")
    with pytest.raises(RunError, match="none of 3 runs fits search 'videomae'"):
        explorer.picture()
    explorer.set(search="")
    assert explorer.picture().dtype == np.uint8


def test_the_picture_changes_with_the_step_and_shows_what_was_kept_then(reports):
    explorer = RunExplorer(reports, run="04_amd/aaa", step=40)
    early, late = explorer.picture(step=25), explorer.picture()
    assert early.shape == late.shape and early.ndim == 3
    assert abs(int(early[-5, 20, 0]) - 60) < 6 and abs(int(late[-5, 20, 0]) - 80) < 6
    facts = explorer.facts(step=25)
    assert facts["picture of A"] == "kept at step 20" and "loss 0.04, direct 0.02" in facts["A at step 25"]


def test_a_second_run_stands_beside_in_curves_words_and_figure(reports):
    explorer = RunExplorer(reports, run="04_amd/aaa", beside="04_amd/bbb")
    red = [(explorer.picture(beside=name) == (213, 94, 0)).all(-1).sum() for name in ("04_amd/bbb", "none")]
    assert red[0] > 50 and red[1] == 0
    assert explorer.facts()["run B"] == "04_amd/bbb, done"
    assert "no pictures kept" in explorer.facts()["picture of B"]
    _, data = explorer.figure(**explorer.values)
    assert data.function == "bands.seeds" and "04_amd/bbb" in data.alt
    explorer.set(beside="none")
    assert explorer.figure(**explorer.values)[1].function == "curves.parts"


def test_a_click_on_a_line_chooses_its_run_and_one_on_a_curve_its_step(reports):
    explorer = RunExplorer(reports, run="04_amd/aaa", beside="04_amd/bbb")
    assert explorer.click(50, 30, **explorer.values) == {"run": "06_umt/ccc"}
    assert explorer.click(50, 50, **explorer.values) == {"run": "04_amd/bbb", "beside": "none"}
    assert explorer.click(50, 5, **explorer.values) == {}
    assert explorer.click(54 + (286 - 54) // 2, 84 + 9 + 60, **explorer.values) == {"step": 20}


def test_arrows_move_the_run_and_the_step(reports):
    explorer = RunExplorer(reports, run="04_amd/bbb")
    assert explorer.key("ArrowUp", **explorer.values) == {"run": "06_umt/ccc"}
    assert explorer.key("ArrowDown", **explorer.values) == {"run": "04_amd/aaa"}
    assert explorer.key("ArrowRight", **explorer.values) == {}
    explorer.set(step=20)
    assert explorer.key("ArrowLeft", **explorer.values) == {"step": 15}
    assert explorer.key("End", **explorer.values) == {"step": 40}


def test_the_table_is_read_again_when_asked(reports):
    explorer = RunExplorer(reports)
    make_run(reports, "05_new/ddd", 400, ratio=0.5)
    assert explorer.facts()["runs"] == "3 of 3"
    explorer.refresh()
    assert explorer.facts()["runs"] == "4 of 4" and explorer.values["run"] == "06_umt/ccc"


def test_a_run_that_has_not_logged_yet_can_be_shown(reports):
    (reports / "06_umt" / "ccc" / "metrics.jsonl").unlink()
    explorer = RunExplorer(reports, run="06_umt/ccc")
    assert explorer.picture().shape[1] >= 900 and explorer.facts()["A at step 0"] == "nothing"


def test_the_static_twin_slides_over_the_steps(reports):
    made = twin(RunExplorer(reports, run="04_amd/aaa"))
    assert made is not None and made["control"] == "step" and made["values"][-1] == "40"
    assert len(set(made["frames"])) == len(made["frames"]) == 9


def test_saving_keeps_the_figure_with_the_words(reports, tmp_path):
    saved = RunExplorer(reports, run="04_amd/aaa").save("amd", tmp_path / "figures")
    assert saved.record["function"] == "curves.parts" and saved.record["facts"]["run A"] == "04_amd/aaa, done"


def test_a_curve_stands_where_its_values_are():
    steps = np.arange(0, 101, 1.0)
    panel = Panel((150, 300), "loss", [Curve(steps, 1 + steps / 100, style.BLUE)], 100, 0)
    blue = np.argwhere((panel.picture == (0, 114, 178)).all(-1))
    left, right = blue[blue[:, 1] < 150], blue[blue[:, 1] > 150]
    assert left[:, 0].mean() > right[:, 0].mean()
    assert panel.step_at(54) == 0 and panel.step_at(280) == 100 and panel.step_at(167) == 50
    assert panel.step_at(0) == 0 and panel.step_at(299) == 100


def test_a_logarithm_is_taken_only_of_what_has_one():
    steps = np.array([0.0, 1.0])
    assert Panel((99, 99), "x", [Curve(steps, np.array([1.0, 9.0]), style.BLUE)], 1, 0, log=True).log
    assert not Panel((99, 99), "x", [Curve(steps, np.array([0.0, 9.0]), style.BLUE)], 1, 0, log=True).log
    assert Panel((99, 99), "x", [Curve(steps[:1], np.zeros(1), style.BLUE)], 0, 0).picture.shape == (99, 99, 3)


def test_times_read_as_minutes_or_hours():
    assert [span(seconds) for seconds in (5.2, 75, 3675)] == ["0:05", "1:15", "1:01:15"]
