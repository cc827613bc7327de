import pytest
import torch

from mvkit import methods
from mvkit.checkpoints import umt_vl as layout
from mvkit.checkpoints.clip import ARCHITECTURE
from mvkit.errors import OptionError, ShapeError
from mvkit.methods.umt_vl import UmtVl, similarities
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid

pytest.importorskip("transformers", reason="text models need the extra `text`")
CAPTIONS = ["a red square moves left", "a red square moves up", "a blue star moves up", "a red square moves left"]


def build(**options) -> UmtVl:
    torch.manual_seed(0)
    teacher = VideoViT(TokenGrid(1, 3, 3), patch=8, width=24, depth=2, heads=2, out_width=20, **ARCHITECTURE)
    said = {"size": "tiny", "frames": 4, "image": 24, "patch": 8, "text_size": "tiny", "embed_width": 16}
    made = methods.create("umt_vl", clip_teacher=Teacher(teacher), **{**said, **options})
    assert isinstance(made, UmtVl)
    return made


def clips(batch=4, frames=4):
    return torch.rand(batch, 3, frames, 24, 24, generator=torch.Generator().manual_seed(1))


def step(method, x, captions=CAPTIONS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return method(x, generator=generator, artifacts=True, captions=captions[: len(x)])


def test_the_loss_is_the_weighted_sum_of_its_four_parts():
    out = step(build(weights={"uta": 2.0, "mlm": 0.5}), clips())
    assert list(out.parts) == ["uta", "vtc", "vtm", "mlm"]
    by_hand = 2 * out.parts["uta"] + out.parts["vtc"] + out.parts["vtm"] + 0.5 * out.parts["mlm"]
    assert torch.allclose(out.loss, by_hand)
    assert 1.5 < float(out.parts["uta"].detach()) < 2.5  # unit vectors of 20 numbers that have little in common


def test_images_are_hidden_by_half_and_videos_by_four_fifths():
    method = build()
    assert step(method, clips()).masks["encoder"].visible_ids.shape == (4, 4 * 2)
    assert step(method, clips(frames=1)).masks["encoder"].visible_ids.shape == (4, 5)


def test_a_share_of_the_steps_shows_one_frame_of_each_clip():
    x = clips()
    out = step(build(image_share=1.0), x)
    shown = out.artifacts["clips"]
    assert shown.shape == (4, 3, 1, 24, 24)
    assert all(any(torch.equal(shown[row, :, 0], x[row, :, t]) for t in range(4)) for row in range(4))
    drawn = [step(build(image_share=0.5), x, seed=seed).artifacts["clips"].shape[2] for seed in range(8)]
    assert {1, 4} == set(drawn)


def test_longer_clips_get_a_table_of_their_own_and_other_places_are_refused():
    method = build()
    seen = method.see(clips(frames=6))
    assert seen.tokens.shape == (4, 54, 128) and seen.pooled.shape == (4, 6, 128)
    with pytest.raises(ShapeError, match="was built for"):
        method.see(torch.rand(1, 3, 4, 32, 24))
    with pytest.raises(OptionError, match="learned positions"):
        build(position="learned")


def test_clips_with_the_same_caption_are_not_each_others_negatives():
    out = step(build(), clips())
    for name in ("negative_clips", "negative_captions"):
        drawn = out.artifacts[name]
        assert all(CAPTIONS[row] != CAPTIONS[int(drawn[row])] for row in range(4))


def test_the_temperature_stays_in_its_range():
    method = build()
    with torch.no_grad():
        method.temperature.fill_(3.0)
    step(method, clips())
    assert float(method.temperature.detach()) == 0.5


def test_similarity_is_the_mean_of_the_cosines_of_each_step():
    seen, said = torch.randn(2, 3, 5), torch.randn(4, 5)
    wanted = torch.stack([(seen[:, step] @ said.T) for step in range(3)]).mean(0)
    assert torch.allclose(similarities(seen, said), wanted, atol=1e-6)


def test_captions_must_be_one_a_clip_and_losses_must_be_known():
    with pytest.raises(ShapeError, match="4 clips came with 3 captions"):
        step(build(), clips(), CAPTIONS[:3])
    with pytest.raises(OptionError, match="itm"):
        build(weights={"itm": 1.0})


def test_a_loss_of_weight_0_is_not_computed_and_has_no_head():
    method = build(weights={"vtm": 0.0, "mlm": 0.0})
    assert list(step(method, clips()).parts) == ["uta", "vtc"]
    with pytest.raises(OptionError, match="without a word head"):
        method.guess(*torch.ones(2, 1, 3, dtype=torch.long), torch.zeros(1, 2, 128))


@pytest.mark.parametrize("without", [["uta"], ["vtc"], ["vtm"], ["mlm"], ["vtm", "mlm"], ["uta", "vtc"]])
def test_with_losses_left_out_every_trained_parameter_is_still_reached(without):
    method = build(weights=dict.fromkeys(without, 0.0))
    step(method, clips()).loss.backward()
    assert [name for name, one in method.named_parameters() if one.requires_grad and one.grad is None] == []


def test_official_names_are_written_and_read_back():
    state = build().state_dict()
    official = layout.write(state)
    assert {name.split(".")[0] for name in official} == {
        "vision_encoder", "text_encoder", "vision_proj", "text_proj", "temp", "itm_head",
    }  # fmt: skip
    back = layout.read(official)
    assert back.keys() == state.keys() and all(torch.equal(back[name], state[name]) for name in state)
