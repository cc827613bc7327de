from itertools import permutations
from pathlib import Path

import pytest
import torch

from mvkit.data.sample import Sample
from mvkit.errors import OptionError, ShapeError
from mvkit.eval.opened import open_run
from mvkit.eval.retrieval import NOT_ASKED, Scores, belong, by_chance, ranks, rerank, retrieval, retrieval_scores
from tests.eval.told import changed, vl_run


def by_brute_force(scores, right, k):
    hits = 0
    for row, answers in zip(scores.tolist(), right.tolist(), strict=True):
        order = sorted(range(len(row)), key=lambda i: (-row[i], answers[i]))  # of equal scores the wrong ones first
        hits += any(answers[i] for i in order[:k])
    return hits / len(scores)


@pytest.mark.parametrize("levels", [1000, 3])  # 3: many ties
def test_recall_is_what_sorting_every_row_gives(levels):
    generator = torch.Generator().manual_seed(0)
    cosines = torch.randint(levels, (17, 23), generator=generator).float() / levels
    clips, texts = torch.arange(17), torch.randint(17, (23,), generator=generator)
    texts[:17] = torch.arange(17)  # every clip has one caption, some have more
    found = retrieval_scores(Scores.of_cosines(cosines), clips, texts)
    for way, scores, right in (
        ("clips_to_texts", cosines, clips[:, None] == texts),
        ("texts_to_clips", cosines.T, texts[:, None] == clips),
    ):
        for k in (1, 5, 10):
            assert found[way][f"recall@{k}"] == pytest.approx(by_brute_force(scores, right, k))


def test_scores_that_are_all_the_same_earn_nothing():
    found = retrieval_scores(Scores.of_cosines(torch.zeros(20, 20)), range(20), range(20))
    assert found["clips_to_texts"]["recall@10"] == 0 and found["texts_to_clips"]["median_rank"] == 20


def test_the_rank_of_a_clip_with_several_captions_is_that_of_the_best():
    scores = torch.tensor([[0.9, 0.1, 0.8]])
    assert ranks(scores, torch.tensor([[False, True, True]])).tolist() == [2]


def test_a_query_without_an_answer_is_counted_and_left_out():
    found = retrieval_scores(Scores.of_cosines(torch.eye(3)), [0, 1, 7], [0, 1, 2])["clips_to_texts"]
    assert found["recall@1"] == 1 and found["queries"] == 2 and found["unanswered"] == 1
    with pytest.raises(ShapeError, match="2 clips and 3 texts"):
        retrieval_scores(Scores.of_cosines(torch.eye(3)), [0, 1], [0, 1, 2])


class ByHand:
    """Says of clip c and text t that their match is 10 * c + t."""

    def match(self, states, words, tokens):
        return torch.stack([torch.zeros(len(states)), 10 * tokens[:, 0, 0] + states[:, 0, 0]], dim=1)


def test_only_the_most_similar_candidates_of_each_query_are_asked_again():
    cosines = torch.tensor([[0.9, 0.5, 0.1], [0.2, 0.3, 0.4]])
    tokens, states = torch.arange(2.0).view(2, 1, 1), torch.arange(3.0).view(3, 1, 1)
    found = rerank(ByHand(), cosines, (tokens, states, torch.ones(3, 1)), top=2, batch=2)  # type: ignore[arg-type]
    assert found.clips_to_texts.tolist() == [[0, 1, NOT_ASKED], [NOT_ASKED, 11, 12]]
    one = rerank(ByHand(), cosines, (tokens, states, torch.ones(3, 1)), top=1)  # type: ignore[arg-type]
    assert one.texts_to_clips.tolist() == [[0, NOT_ASKED], [1, NOT_ASKED], [NOT_ASKED, 12]]


def test_clips_with_the_same_caption_are_all_right_for_it():
    samples = [Sample(Path("a"), captions=("A red dog.", "it runs")), Sample(Path("b"), captions=("a red  dog",))]
    assert belong(samples, ["A red dog.", "it runs", "a red  dog"]).tolist() == [
        [True, True, True],
        [True, False, True],
    ]


def test_chance_is_what_all_orders_of_the_candidates_give():
    right = torch.tensor([[True, True, False, False, False, False, False], [False] * 6 + [True]])
    found = by_chance(right)
    for k in (1, 5):
        hits = [any(row[i] for i in order[:k]) for row in right.tolist() for order in permutations(range(7))]
        assert found[f"recall@{k}"].value == pytest.approx(sum(hits) / len(hits))
    assert found["recall@10"].value == 1


def test_retrieval_scores_both_ways_with_controls_and_names_what_is_left_out(told):
    broken = told.split("val")[2].path.with_name("gone.mp4")
    first = next(i for i, s in enumerate(told) if s.split == "val")
    manifest = changed(told, {first: {"captions": ("?!",)}, first + 2: {"path": broken}})
    found = retrieval(vl_run(), manifest, top=3)
    shown = {row.of["shown"] for row in found.rows}
    assert shown == {"clip", "one frame", "clip, words shuffled", "chance"}
    for way in ("clips_to_texts", "texts_to_clips"):
        for scores in ("cosine", "re-ranked"):
            assert 0 <= found.score("recall@5", shown="clip", scores=scores, way=way) <= 1
            assert 1 <= found.score("median_rank", shown="clip", scores=scores, way=way) <= 6
    assert found.spec["clips"] == found.spec["captions"] == 6
    assert {why: len(what) for why, what in found.left_out.items()} == {
        "clips without a caption": 1, "captions without a word": 1, "clips that cannot be read": 1,
    }  # fmt: skip
    assert "gone.mp4" in found.left_out["clips that cannot be read"][0]


def test_a_run_of_another_method_is_refused(told, tmp_path):
    from mvkit.train import RunSpec, fit

    data = {"clips": 4, "val": 0, "size": 16, "frames": 8}
    spec = RunSpec(options={"size": "tiny", "patch": 8}, data=data, image=16, frames=4, steps=1, batch=2, device="cpu")
    with pytest.MonkeyPatch.context() as here, pytest.raises(OptionError, match="umt_vl, got one of videomae"):
        here.chdir(tmp_path)
        open_run(fit(spec), told)
