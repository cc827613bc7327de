import numpy as np
import torch

from mvkit.eval.choice import choice
from mvkit.eval.opened import Opened
from mvkit.eval.qa import qa
from mvkit.eval.tuning import TuneSpec
from mvkit.inspect.told import Told, of_choices, of_questions, picked
from tests.eval.told import vl_run

CLIP = np.zeros((3, 4, 6, 3), np.uint8)


def told(sure: float, right: bool, scene: str = "") -> Told:
    return Told(CLIP, "", f"{sure}", "up", sure, sure if right else 0.01, right, scene)


def test_examples_are_the_surest_and_the_least_sure_ones_and_the_median():
    found = picked([told(0.5, True), told(0.9, True), told(0.6, True), told(0.7, False), told(0.8, False)], count=1)
    said = {rule: [one.said for one in some] for rule, some in found.items()}
    assert said == {
        "surest correct": ["0.9"], "median": ["0.5"], "least sure correct": ["0.5"], "surest wrong": ["0.8"],
    }  # fmt: skip


def test_of_one_scene_only_the_first_is_taken_and_clips_without_a_scene_have_one_each():
    found = picked([told(0.9, True, "a"), told(0.8, True, "a"), told(0.7, True), told(0.6, True)], count=3)
    assert [one.sure for one in found["surest correct"]] == [0.9, 0.7, 0.6]


def test_a_rule_that_nothing_fits_is_left_out():
    assert "surest wrong" not in picked([told(0.9, True)])
    assert set(picked([told(0.9, False)])) == {"median", "surest wrong"}


def opened(manifest) -> Opened:
    run = vl_run()
    return Opened(run.method, run.spec, manifest)


def test_what_is_said_of_choices_is_what_choice_counts(made):
    found = of_choices(opened(made), "val")
    score = choice(opened(made)).score("accuracy", shown="clip", scores="both", kind="all")
    assert np.mean([one.right for one in found]) == score
    assert all((one.said == one.true) == one.right and one.own <= one.sure for one in found)


def test_what_is_said_of_questions_is_what_qa_counts(made):
    spec = TuneSpec(epochs=1, warmup_epochs=0, batch=4, together=8, lr=1e-3, cache=True)
    found, rows = of_questions(opened(made), spec, train="train", split="val", top=128)
    counted = qa(opened(made), tuning=spec, shown=["clip"])
    assert rows == [row for row in counted.rows if row.of["shown"] == "clip"]
    assert torch.tensor([one.right for one in found]).float().mean().item() == rows[0].values["accuracy"].value
    assert all(one.asked and (one.said == one.true) == one.right for one in found)
