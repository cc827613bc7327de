import pytest
import torch

from mvkit.errors import ShapeError
from mvkit.models.answers import AnswerDecoder, VideoQA
from mvkit.models.bert import BertShape, FusionBert
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid

pytest.importorskip("transformers", reason="text models need the extra `text`")
SHAPE, WORDS = BertShape(24, 3, 2, 40, 1, positions=12), 19


@pytest.fixture
def model():
    torch.manual_seed(0)
    encoder = VideoViT(TokenGrid(2, 2, 3), patch=4, width=12, depth=1, heads=2)
    text = FusionBert(SHAPE, vocabulary=WORDS, visual_width=12)
    return VideoQA(encoder=encoder, text=text, decoder=AnswerDecoder(SHAPE, vocabulary=WORDS, states_width=24)).eval()


def asked(model):
    ids, mask = torch.randint(1, WORDS, (2, 5)), torch.tensor([[1] * 5, [1] * 3 + [0] * 2])
    return model.ask(torch.rand(2, 3, 4, 8, 12), ids, mask), mask


ANSWERS = torch.tensor([[2, 7, 3, 0], [2, 8, 9, 3], [2, 7, 9, 3], [2, 5, 3, 0]])


def test_the_ranking_is_what_asking_every_answer_word_by_word_gives(model):
    states, mask = asked(model)
    ranked = model.rank(states, mask, (ANSWERS, (ANSWERS != 0).long()), top=4)
    for question in range(2):
        scores = []
        for answer in ANSWERS.tolist():
            words = [w for w in answer if w]
            steps = []
            for i in range(1, len(words)):
                before = torch.tensor([words[:i]])
                logits = model.decoder(before, torch.ones_like(before), states[question, None], mask[question, None])
                steps.append(logits[0, -1].log_softmax(0)[words[i]])
            scores.append(steps[0] + sum(steps))  # the first word counts twice
        wanted = torch.stack(scores).softmax(0)
        assert torch.equal(ranked.ids[question], wanted.argsort(descending=True))
        assert torch.allclose(ranked.probabilities[question], wanted.sort(descending=True).values, atol=1e-5)


def test_only_answers_with_the_likeliest_first_words_are_asked_in_full(model):
    states, mask = asked(model)
    ranked = model.rank(states, mask, (ANSWERS, (ANSWERS != 0).long()), top=1)
    start = torch.full((2, 1), 2)
    first = model.decoder(start, torch.ones_like(start), states, mask)[:, 0]
    assert torch.equal(ANSWERS[ranked.ids[:, 0], 1], ANSWERS[first[:, ANSWERS[:, 1]].argmax(1), 1])


def test_the_loss_is_the_weighted_sum_over_the_number_of_questions(model):
    states, mask = asked(model)
    answers, weights, counts = ANSWERS[:3], torch.tensor([1.0, 0.25, 0.75]), torch.tensor([1, 2])
    loss = model.loss(states, mask, (answers, (answers != 0).long()), weights, counts)
    by_hand = 0
    for row, question in enumerate((0, 1, 1)):
        answer = answers[row : row + 1]
        logits = model.decoder(answer, (answer != 0).long(), states[question, None], mask[question, None])
        by_hand += weights[row] * model.decoder.losses(logits, answer)[0]
    assert torch.allclose(loss, by_hand / 2, atol=1e-5)
    with pytest.raises(ShapeError, match="3 answers"):
        model.loss(states, mask, (answers, (answers != 0).long()), weights, torch.tensor([1, 1]))
