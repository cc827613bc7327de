import pytest
import torch

from mvkit.checkpoints import bert as layout
from mvkit.checkpoints.native import load_state
from mvkit.errors import OptionError
from mvkit.models import bert
from mvkit.models.answers import AnswerDecoder
from mvkit.models.bert import BertShape, FusionBert

transformers = pytest.importorskip("transformers", reason="text models need the extra `text`")

SHAPE = BertShape(width=24, depth=3, heads=2, hidden=40, fusion=2, positions=12)
WORDS = 31


def config(**more):
    return transformers.BertConfig(
        vocab_size=WORDS, hidden_size=24, num_hidden_layers=3, num_attention_heads=2, intermediate_size=40,
        max_position_embeddings=12, **more,
    )  # fmt: skip


def texts():
    ids = torch.randint(1, WORDS, (3, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1] * 7, [1] * 5 + [0] * 2, [1] * 2 + [0] * 5])
    return ids, mask


@pytest.fixture
def text():
    torch.manual_seed(0)
    return FusionBert(SHAPE, vocabulary=WORDS, visual_width=10).eval()


def test_reading_is_what_transformers_bert_does_up_to_the_fusion_layer(text):
    ids, mask = texts()
    torch.manual_seed(1)
    theirs = transformers.BertModel(config(), add_pooling_layer=False).eval()
    state = layout.read(theirs.state_dict())
    load_state(text, {n.removeprefix("text."): v for n, v in state.items()}, strict=False)
    wanted = theirs(ids, mask, output_hidden_states=True).hidden_states[2]
    seen = mask.bool()
    assert torch.allclose(text.read(ids, mask)[seen], wanted[seen], atol=1e-5)


def test_an_answer_decoder_is_transformers_causal_bert_with_cross_attention():
    ids, mask = texts()
    torch.manual_seed(2)
    theirs = transformers.BertLMHeadModel(config(is_decoder=True, add_cross_attention=True)).eval()
    ours = AnswerDecoder(BertShape(24, 4, 2, 40, 1, positions=12), vocabulary=WORDS, states_width=24).eval()
    load_state(ours, layout.read(theirs.state_dict()))
    states, states_mask = torch.randn(3, 5, 24), torch.tensor([[1] * 5, [1] * 4 + [0], [1, 0, 0, 0, 0]])
    wanted = theirs(ids, mask, encoder_hidden_states=states, encoder_attention_mask=states_mask).logits
    assert torch.allclose(ours(ids, mask, states, states_mask)[mask.bool()], wanted[mask.bool()], atol=1e-5)


def test_words_after_padding_and_padding_itself_change_nothing(text):
    ids, mask = texts()
    other = ids.masked_fill(mask == 0, 3)
    seen = torch.randn(3, 4, 10)
    assert torch.allclose(text(ids, mask, seen)[mask.bool()], text(other, mask, seen)[mask.bool()], atol=1e-6)


def test_only_the_upper_layers_look_at_the_clip(text):
    ids, mask = texts()
    states = text.read(ids, mask)
    first, second = torch.randn(2, 3, 4, 10)
    assert not torch.allclose(text.fuse(states, mask, first), text.fuse(states, mask, second))
    assert [hasattr(layer, "crossattention") for layer in text.layers] == [False, False, True]


def test_a_causal_text_does_not_see_later_words():
    torch.manual_seed(0)
    text = FusionBert(SHAPE, vocabulary=WORDS, visual_width=10, causal=True).eval()
    ids, mask = texts()
    seen, changed = torch.randn(3, 4, 10), ids.clone()
    changed[:, 4] = 1 + changed[:, 4] % (WORDS - 1)
    before, after = text(ids, mask, seen), text(changed, mask, seen)
    assert torch.allclose(before[:, :4], after[:, :4], atol=1e-6)
    assert not torch.allclose(before[0, 4:], after[0, 4:], atol=1e-3)


def test_berts_own_names_and_old_ones_are_read_and_written_back():
    torch.manual_seed(3)
    state = transformers.BertForMaskedLM(config()).state_dict()
    ours = layout.read(state)
    assert {name.split(".")[0] for name in ours} == {"text", "words"}
    back = layout.write(ours)
    assert all(torch.equal(back[name], value) for name, value in state.items() if not name.endswith("position_ids"))
    old = {
        n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
        for n, v in state.items()
    }
    assert layout.read(old).keys() == ours.keys()


def test_a_fusion_layer_that_does_not_exist_is_refused():
    with pytest.raises(OptionError, match="fusion layer 4 must lie in 0 to 3"):
        bert.shape("tiny", fusion=4)
    with pytest.raises(OptionError, match="text size"):
        bert.shape("huge")
