from math import exp, log
from typing import Any

import pytest
import torch

from mvkit import maskers, methods
from mvkit.errors import OptionError
from mvkit.inspect.words import filled, pointedness, word_attention
from mvkit.methods.umt_vl import UmtVl
from mvkit.models.teachers import Teacher

pytest.importorskip("transformers", reason="text models need the extra `text`")
SIZE = {"size": "tiny", "frames": 4, "image": 24, "patch": 8}
CAPTIONS = ["a red square moves left", "a blue circle moves up and then down"]


@pytest.fixture(scope="module")
def method() -> UmtVl:
    torch.manual_seed(0)
    teacher = Teacher(methods.create("clip_frames", **SIZE).encoder)
    made = methods.create("umt_vl", clip_teacher=teacher, text_size="tiny", embed_width=16, tubelet=2, **SIZE)
    assert isinstance(made, UmtVl)
    layers: Any = made.text.layers
    for layer in layers[made.text.shape.fusion :]:  # larger weights than a new model's: something to tell
        for linear in (layer.crossattention.self.query, layer.crossattention.self.key):
            torch.nn.init.normal_(linear.weight, std=0.2)
    return made.eval()


@pytest.fixture(scope="module")
def clips():
    return torch.rand(2, 3, 4, 24, 24, generator=torch.Generator().manual_seed(1))


def mask_of(method):
    return maskers.create("random", ratio=0.5)(
        method.encoder.grid, 2, generator=torch.Generator().manual_seed(2)
    ).primary


def test_it_is_the_softmax_that_loops_over_words_tokens_and_heads_give(method, clips):
    layer, kept = method.text.layers[-1].crossattention.self, {}
    hook = layer.register_forward_pre_hook(
        lambda _, inputs, given: kept.update(x=inputs[0], seen=given["encoder_hidden_states"]), with_kwargs=True
    )
    mask = mask_of(method)
    found = word_attention(method, clips, CAPTIONS, mask=mask, heads="all")
    hook.remove()
    assert list(found) == [3, 4] and found[4].shape == (2, 4, 10, 2, 3, 3)
    with torch.no_grad():
        q, k = layer.query(kept["x"]).view(2, 10, 4, 32), layer.key(kept["seen"]).view(2, 9, 4, 32)
    for clip, word, head in ((0, 1, 0), (1, 9, 3), (1, 4, 2)):
        scores = [sum(a * b for a, b in zip(q[clip, word, head].tolist(), key, strict=True)) / 32**0.5
                  for key in k[clip, :, head].tolist()]  # fmt: skip
        weights = [exp(score) / sum(map(exp, scores)) for score in scores]
        seen = found[4][clip, head, word].flatten()[mask.visible_ids[clip]]
        assert seen.tolist() == pytest.approx(weights, abs=1e-5) and max(weights) > 2 / 9


def test_words_sum_to_1_over_visible_tokens_and_hidden_ones_are_no_number(method, clips):
    mask = mask_of(method)
    for maps in word_attention(method, clips, CAPTIONS, mask=mask).values():
        assert torch.allclose(maps.nansum((-1, -2, -3)), torch.ones(2, 10))
        assert torch.equal(maps[:, 3].isnan().flatten(1), mask.hidden)


def test_looking_leaves_no_hook_and_unknown_heads_are_refused(method, clips):
    with pytest.raises(OptionError, match="heads"):
        word_attention(method, clips, CAPTIONS, heads="most")
    assert not any(module._forward_pre_hooks for module in method.text.modules())


def test_pointedness_is_0_for_uniform_maps_and_the_log_of_their_tokens_for_one_token():
    maps = torch.zeros(2, 1, 2, 3)
    maps[0], maps[1, 0, 1, 2] = 1 / 6, 1
    assert pointedness(maps).tolist() == pytest.approx([0, log(6)], abs=1e-6)
    maps[:, 0, 0] = torch.nan
    maps[0, 0, 1] = 1 / 3
    assert pointedness(maps).tolist() == pytest.approx([0, log(3)], abs=1e-6)


def test_filled_captions_say_what_was_asked_read_and_guessed(method, clips):
    found = dict(method(clips, generator=torch.Generator().manual_seed(3), captions=CAPTIONS, artifacts=True).artifacts)
    found["guessed"] = found["ids"].clone()
    first, second = filled(method, found)
    assert first.words == (*CAPTIONS[0].split(), "[SEP]") and second.words == (*CAPTIONS[1].split(), "[SEP]")
    for row, one in enumerate((first, second)):
        asked = found["labels"][row, 1 : len(one.words) + 1] >= 0
        assert asked.any() and [bool(guess) for guess in one.guessed] == asked.tolist()
        assert all(guess == word for word, guess in zip(one.words, one.guessed, strict=True) if guess)
        assert all(word == read for word, read, ask in zip(one.words, one.read, asked, strict=True) if not ask)
    assert "[MASK]" in first.read + second.read
    others = filled(method, found, torch.full_like(found["ids"], method.tokenizer.special.mask))
    assert set(others[0].guessed) == {"", "[MASK]"}
