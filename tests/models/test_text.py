import pytest
import torch

from mvkit.data.shapes.captions import caption
from mvkit.data.shapes.scene import scene_of
from mvkit.data.shapes.spec import ShapesSpec
from mvkit.errors import OptionError
from mvkit.models.text import END, PAD, WORDS, TextTower, WordTokenizer

SHORT = "a red cross moves up"
LONG = "an orange striped circle moves down left over a pink dotted background"


def tower(**options) -> TextTower:
    torch.manual_seed(0)
    return TextTower(6, width=16, depth=2, heads=2, **options).eval()


def test_every_word_of_the_embedded_captions_has_a_number_of_its_own():
    spec = ShapesSpec(clips=320)
    said = {word for index in range(spec.clips) for word in caption(scene_of(index, spec)).split()}
    assert said <= set(WORDS)
    tokenizer = WordTokenizer(buckets=3)
    numbers = [tokenizer.number(word) for word in WORDS]
    assert len(set(numbers)) == len(WORDS) and {PAD, END}.isdisjoint(numbers)
    assert max(numbers) < tokenizer.size - 3


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
