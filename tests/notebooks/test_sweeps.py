"""The sweep files that lie beside the notebooks: every run is planned, each after those it names."""

from pathlib import Path

from mvkit.runs.sweep.plan import Plan
from mvkit.runs.sweep.sheet import read_sheet

SWEEPS = Path(__file__).parents[2] / "notebooks" / "sweeps"


def test_umt_goes_from_a_student_to_stage_2_to_every_task_with_words_and_detection_in_three_seeds(tmp_path):
    name, entries = read_sheet(SWEEPS / "umt.yaml")
    plan = Plan.make(entries, name=name, stem="umt", out=tmp_path)
    runs = plan.runs
    assert name == "umt" and len(runs) == 3 + 3 + 4 * 3
    asked = [planned for planned in runs.values() if planned.notebook.stem == "10_evaluate"]
    assert {one.values["task"] for one in asked} == {"retrieval", "choice", "qa", "detection"}
    for one in asked:
        stage_2 = runs[one.needs[0]]
        stage_1 = runs[stage_2.needs[0]]
        assert (stage_1.notebook.stem, stage_2.notebook.stem) == ("05_maskagain", "07_umt_video_text")
        assert one.values["seed"] == stage_2.values["seed"] == stage_1.values["seed"]
        assert one.values["run"].endswith(stage_2.name)
