import pytest
import torch

from mvkit.data import shapes
from mvkit.data.captions import normalise
from mvkit.data.shapes.spec import ShapesSpec
from mvkit.errors import OptionError
from mvkit.models.text import END, PAD, WORDS, TextTower, WordTokenizer

SHORT = "a red cross moves up"
LONG = "an orange striped circle moves down left over a pink dotted background"


def tower(**options) -> TextTower:
    torch.manual_seed(0)
    return TextTower(6, width=16, depth=2, heads=2, **options).eval()


def captions_said(**options) -> list[str]:
    spec = ShapesSpec(frames=3, size=16, **options)
    found = [shapes.render(index, spec)[1]["caption"] for index in range(spec.clips)]
    return [caption for one in found for caption in ([one] if isinstance(one, str) else one)]


def words_of(texts) -> set[str]:
    return {word for text in texts for word in normalise(text).split()}


def test_every_word_of_captions_questions_and_answers_is_in_the_list():
    said = words_of(captions_said())
    for story, clips in (("one", 64), ("all", 512)):
        spec = ShapesSpec(frames=3, size=16, clips=clips, val=0, story=story)
        for index in range(clips):
            truth = shapes.render(index, spec)[1]
            said |= words_of([item[key] for item in truth["qa"] for key in ("question", "answer")])
    assert said | words_of(captions_said(story="all", clips=512, val=0)) == set(WORDS)


def test_no_two_words_of_captions_share_a_number():
    tokenizer = WordTokenizer()
    for captions in (captions_said(), captions_said(story="all", clips=512, val=0)):
        numbers = [tokenizer.number(word) for word in words_of(captions)]
        assert len(set(numbers)) == len(numbers) and {PAD, END}.isdisjoint(numbers)


def test_numbers_of_plain_captions_are_those_of_runs_trained_before_there_were_stories():
    tokenizer = WordTokenizer(buckets=64)
    assert tokenizer.size == 2 + 24 + 64
    assert max(tokenizer.number(word) for word in words_of(captions_said())) < tokenizer.size - 64
    assert [tokenizer.number(word) for word in ("a", "circle", "pink", "right", "left")] == [2, 7, 18, 22, 24]


def test_unknown_words_share_the_stated_buckets_and_keep_their_number():
    tokenizer = WordTokenizer(buckets=3)
    numbers = [tokenizer.number(f"word{n}") for n in range(50)]
    assert set(numbers) == set(range(tokenizer.size - 3, tokenizer.size))
    # Its crc32 written out: a hash that differs from process to process would agree with itself here.
    assert tokenizer.number("penguin") == tokenizer.size - 3 + 3854672160 % 3


def test_captions_are_padded_ended_and_cut():
    tokenizer = WordTokenizer(length=5)
    ids = tokenizer(["Red, square!", LONG])
    assert ids.shape == (2, 5)
    assert ids[0].tolist() == [tokenizer.number("red"), tokenizer.number("square"), END, PAD, PAD]
    assert ids[1, -1] == END and PAD not in ids[1]


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("pooling", ["end", "mean"])
def test_a_caption_reads_the_same_alone_and_beside_a_longer_one(causal, pooling):
    text = tower(causal=causal, pooling=pooling)
    assert torch.allclose(text([SHORT]), text([SHORT, LONG])[:1], atol=1e-6)


def test_an_empty_caption_is_finite():
    assert torch.isfinite(tower()(["", LONG])).all()


def test_the_order_of_words_matters():
    text = tower()
    assert not torch.allclose(text(["red cross over blue background"]), text(["blue cross over red background"]))


def test_a_causal_tower_does_not_look_ahead_and_the_other_does():
    for causal in (True, False):
        text, seen = tower(causal=causal), []
        text.blocks.register_forward_hook(lambda _module, _given, gave, seen=seen: seen.append(gave))
        text(["red circle moves left"]), text(["red circle moves right"])
        same = torch.allclose(seen[0][:, :3], seen[1][:, :3], atol=1e-6)
        assert same is causal
        assert not torch.allclose(seen[0][:, 3:], seen[1][:, 3:])


def test_the_layers_do_not_start_alike():
    first, second = tower().blocks.layers
    assert not torch.equal(first.linear1.weight, second.linear1.weight)


def test_wrong_options_are_refused():
    with pytest.raises(OptionError, match="pooling 'max'"):
        tower(pooling="max")
    with pytest.raises(OptionError, match="buckets"):
        WordTokenizer(buckets=0)
