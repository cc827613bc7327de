import pytest
import torch

from mvkit.errors import ShapeError
from mvkit.eval.retrieval import NOT_ASKED, Scores, ranks, rerank, retrieval_scores


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
