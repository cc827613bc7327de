import pytest
import torch

from mvkit.errors import DataError
from mvkit.eval.choice import choice, choose
from tests.eval.told import changed, vl_run


def test_both_heads_count_as_published_and_a_missing_option_earns_nothing():
    match = torch.tensor([[[0.0, 1.0], [2.0, 0.0], [0.0, 9.0]]])
    cosines, options = torch.tensor([[0.1, 0.3, 0.9]]), torch.tensor([[True, True, False]])
    found = choose(match, cosines, 0.5, options)
    e = torch.tensor([0.2, 0.6]).exp()
    first = 0.7 / (1 + torch.tensor(-1.0).exp()) + 0.3 * e[0] / e.sum()
    second = 0.7 / (1 + torch.tensor(2.0).exp()) + 0.3 * e[1] / e.sum()
    assert torch.allclose(found, torch.tensor([[first, second, 0.0]]))


def test_every_clip_is_asked_with_and_without_its_motion(told):
    found = choice(vl_run(), told)
    assert {row.of["shown"] for row in found.rows} == {"clip", "one frame", "no clip", "chance"}
    kinds = {row.of["kind"]: row.values["accuracy"].clips for row in found.rows if row.of["shown"] == "clip"}
    assert kinds == {"all": 8, "pair": 4, "turn": 4}
    assert found.score("accuracy", shown="chance") == 0.25
    # Four clips of a group share their choices, so one picture of all of them chooses right once in each group.
    assert found.score("accuracy", shown="no clip", scores="both", kind="all") == 0.25


def test_options_that_are_all_the_same_earn_nothing_and_clips_without_any_are_named(told):
    first = next(i for i, s in enumerate(told) if s.split == "val")
    same = {first + i: {"choices": ("it moves", "it moves"), "choice": 0, "group": ""} for i in range(7)}
    found = choice(vl_run(), changed(told, {**same, first + 7: {"choices": (), "choice": None}}))
    assert {row.values["accuracy"].value for row in found.rows if row.of["shown"] != "chance"} == {0.0}
    assert found.score("accuracy", shown="chance") == 0.5
    assert len(found.left_out["clips without choices"]) == 1
    with pytest.raises(DataError, match="has choices"):
        choice(vl_run(), changed(told, {i: {"choices": (), "choice": None} for i in range(len(told))}))
