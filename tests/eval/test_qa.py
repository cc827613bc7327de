from pathlib import Path

import pytest
import torch

from mvkit.data.sample import Sample
from mvkit.errors import DataError, OptionError
from mvkit.eval.qa import qa, video_qa
from mvkit.eval.questions import answer_ids, questions
from mvkit.eval.tuning import TuneSpec
from mvkit.models.wordpiece import WordPiece
from tests.eval.told import changed, vl_run


def test_an_answer_is_a_text_or_what_several_annotators_said():
    asked = ({"question": "Which one?", "answer": ["Red", "red", "blue"]}, {"question": "who?", "answer": "a dog"})
    found = questions([Sample(Path("a"), qa=asked)])
    assert [q.text for q in found.asked] == ["which one", "who"]
    assert found.asked[0].answers == {"red": 2 / 3, "blue": 1 / 3} and found.asked[1].answers == {"a dog": 1.0}
    assert found.answers() == ("a dog", "blue", "red")


def test_questions_without_words_or_answers_are_named_and_unknown_answers_too():
    asked = ({"question": "?"}, {"question": "who?", "answer": ""}, {"question": "why?", "answer": "no"})
    found = questions([Sample(Path("a.mp4"), qa=asked)])
    assert {why: len(what) for why, what in found.left_out.items()} == {
        "questions without a word": 1, "questions without an answer": 1,
    }  # fmt: skip
    assert found.outside(["yes"]) == ["why (no)"] and not found.outside(["no", "yes"])


def test_an_answer_ends_with_two_last_tokens_before_its_padding():
    words = WordPiece()
    ids, mask = answer_ids(words, ["red", "down left"], torch.device("cpu"))
    assert words.pieces(ids[0].tolist()) == ["[CLS]", "red", "[SEP]", "[SEP]", "[PAD]"]
    assert words.pieces(ids[1].tolist()) == ["[CLS]", "down", "left", "[SEP]", "[SEP]"]
    assert mask.tolist() == [[1, 1, 1, 1, 0], [1] * 5]


def test_the_decoder_takes_over_fusion_layers_embeddings_and_word_head():
    method = vl_run().method
    model, report = video_qa(method)
    assert not (report.missing or report.unexpected or report.reshaped)
    for number in range(2):
        theirs = method.text.layers[2 + number].state_dict()
        assert all(torch.equal(theirs[n], v) for n, v in model.decoder.text.layers[number].state_dict().items())
    clips = torch.rand(1, 3, 4, 32, 32)
    assert torch.equal(model.eval().encoder(clips).tokens, method.see(clips).tokens)
    model.text.embeddings.word_embeddings.weight.data.zero_()
    assert bool(method.text.embeddings.word_embeddings.weight.any())


def test_a_run_without_a_word_head_starts_one_and_says_so():
    _, report = video_qa(vl_run(weights={"mlm": 0.0}).method)
    assert report.missing and all(name.startswith("words.") for name in report.missing)


def test_answers_are_learned_at_the_rate_that_was_asked_for(told):
    asked = {i: {"qa": tuple(q for q in s.qa if q["kind"] in ("motion", "first"))[:1]} for i, s in enumerate(told)}
    lines = []
    spec = TuneSpec(epochs=12, warmup_epochs=1, batch=8, lr=1e-3, cache=True)
    found = qa(vl_run(), changed(told, asked), spec, shown=["clip"], progress=lines.append)
    assert found.score("accuracy", shown="chance", kind="all") == 0.25
    assert found.spec["questions"] == found.spec["train_questions"] == 8 and found.spec["answers"] == 4
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"]  # of 5.5 for each of two words, untrained
    assert max(line["lr"] for line in lines) == 1e-3  # at any batch


def test_a_question_whose_answer_is_not_listed_is_named_and_wrong(told):
    first = next(i for i, s in enumerate(told) if s.split == "val")
    manifest = changed(told, {first: {"qa": ({"question": "who is it?", "answer": "nobody", "kind": "who"},)}})
    found = qa(vl_run(), manifest, TuneSpec(epochs=1, batch=8), shown=["no clip"])
    assert "who is it (nobody)" in found.left_out["questions whose answer is not on the list"]
    assert found.score("accuracy", shown="no clip", kind="who") == 0


def test_clips_without_questions_and_unknown_views_are_refused(told):
    with pytest.raises(DataError, match="has questions"):
        qa(vl_run(), changed(told, {i: {"qa": ()} for i in range(len(told))}))
    with pytest.raises(OptionError, match="unknown view 'frame'"):
        qa(vl_run(), told, shown=["frame"])
