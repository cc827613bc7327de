import pytest
import torch

from mvkit import methods
from mvkit.checkpoints.clip import ARCHITECTURE, STATISTICS
from mvkit.errors import MaskError, OptionError, ShapeError
from mvkit.methods._aligned import aligned_layers
from mvkit.models import VideoViT
from mvkit.models.teachers import Teacher
from mvkit.models.vit import IMAGENET_MEAN, IMAGENET_STD
from mvkit.tokens import TokenGrid


def teacher(patch: int = 8, places: tuple[int, int] = (3, 3), **changes) -> Teacher:
    torch.manual_seed(1)
    said = {"width": 16, "depth": 3, "heads": 2, "out_width": 5, **ARCHITECTURE, **changes}
    encoder = VideoViT(TokenGrid(1, *places), patch=patch, **said)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return Teacher(encoder, source="test")


def method(said: Teacher | None = None, **options):
    torch.manual_seed(0)
    given = {"size": "tiny", "frames": 4, "image": 24, "patch": 8, "ratio": 0.5, **options}
    return methods.create("umt", clip_teacher=said or teacher(), **given)


def clips(frames: int = 4) -> torch.Tensor:
    return torch.rand(2, 3, frames, 24, 24, generator=torch.Generator().manual_seed(5))


def step(model, x, seed: int = 0):
    return model(x, generator=torch.Generator().manual_seed(seed), artifacts=True)


def test_the_student_is_asked_for_the_visible_tokens_that_the_teacher_spoke_of():
    model, x = method(clip_return_layer=2), clips()
    out, mask = step(model, x), step(model, x).masks["encoder"]
    encoder, asked = model.teachers["clip"].encoder, out.artifacts["targets"]
    assert out.artifacts["predictions"].shape == asked.shape == (2, 2, 20, 5)
    for row in range(2):
        for frame in range(4):
            seen = encoder(x[row : row + 1, :, frame : frame + 1], layers=(2, 3)).layers
            visible = [n for n in mask.visible_ids[row].tolist() if n // 9 == frame]
            for level, number in enumerate((2, 3)):
                wanted = torch.nn.functional.normalize(encoder.finish(seen[number])[0], dim=-1)
                at = [mask.visible_ids[row].tolist().index(n) for n in visible]
                assert torch.allclose(asked[row, level, at], wanted[[n % 9 for n in visible]], atol=1e-5)
    assert torch.allclose(out.loss, (out.artifacts["predictions"] - asked).square().sum(-1).mean(), atol=1e-5)


def test_the_student_shares_its_final_norm_and_adds_its_table_again():
    model, x = method(clip_return_layer=2, clip_student_return_interval=2), clips()
    out = step(model, x)
    mask = out.masks["encoder"]
    layers = model.encoder(x, mask, layers=(2, 4)).layers
    places = mask.visible(model.encoder.pos_embed.expand(2, -1, -1))
    for level, number in enumerate((2, 4)):
        wanted = model.clip_decoder[level](model.encoder.norm(layers[number]) + places)
        wanted = wanted / wanted.norm(dim=-1, keepdim=True)
        assert torch.allclose(out.artifacts["predictions"][:, level], wanted, atol=1e-6)


def test_without_a_norm_features_and_predictions_keep_their_length():
    x = clips()
    raw, units = (step(method(clip_norm_type=norm), x).artifacts for norm in ("none", "l2"))
    for name in ("predictions", "targets"):
        assert not torch.allclose(raw[name].norm(dim=-1), units[name].norm(dim=-1), atol=1e-2)
        assert torch.allclose(raw[name] / raw[name].norm(dim=-1, keepdim=True), units[name], atol=1e-5)


def test_an_untrained_student_starts_near_two():
    torch.manual_seed(0)
    loss = step(method(teacher(out_width=64)), clips()).loss.item()
    assert 1.7 < loss < 2.3


def test_every_step_keeps_the_same_number_of_tokens_and_mostly_attended_ones():
    model, x = method(), clips()
    with torch.no_grad():  # sharp attention, where random weights look everywhere alike
        model.teachers["clip"].encoder.blocks[-1].attn.qkv.weight[:32] *= 12
    out = step(model, x)
    attention, hidden = out.artifacts["attention"], out.masks["encoder"].hidden.view(2, 4, 9)
    assert ((~hidden).sum(2) == 5).all()
    assert attention.shape == (2, 4, 9) and (attention.sum(2) < 1).all()
    draws = [step(model, x, seed).masks["encoder"].hidden.view(2, 4, 9) for seed in range(40)]
    often = (~torch.stack(draws)).float().mean(0)
    pair = torch.stack([often.flatten(), attention.flatten()])
    assert torch.corrcoef(pair)[0, 1] > 0.5


@pytest.mark.parametrize("masker", ["random", "tube"])
def test_other_masks_need_no_class_token(masker):
    said = teacher(class_token=False, position="sincos_1d")
    out = step(method(said, masker=masker), clips())
    assert torch.isfinite(out.loss) and "attention" not in out.artifacts
    with pytest.raises((ShapeError, MaskError), match="class token"):
        step(method(said), clips())


def test_the_teacher_is_fed_imagenet_statistics_unless_asked_otherwise():
    x = clips()
    plain = method(teacher(mean=list(IMAGENET_MEAN), std=list(IMAGENET_STD))).targets(x)["features"]
    assert torch.allclose(method(teacher(**STATISTICS)).targets(x)["features"], plain, atol=1e-5)
    own = method(teacher(**STATISTICS), teacher_statistics="own").targets(x)["features"]
    assert not torch.allclose(own, plain, atol=1e-2)


def test_a_teacher_of_another_resolution_sees_resized_clips():
    model = method(teacher(patch=4))
    small = torch.nn.functional.interpolate(clips().flatten(0, 1), size=12, mode="bicubic").view(2, 3, 4, 12, 12)
    wanted = method(teacher(patch=4), image=12, patch=4).targets(small)
    got = model.targets(clips())
    assert torch.allclose(got["features"], wanted["features"], atol=1e-4)
    assert torch.allclose(got["attention"], wanted["attention"], atol=1e-5)


def test_with_longer_patches_the_teacher_sees_the_middle_frame_or_whole_steps():
    x = clips()
    model = method(tubelet=2)
    wanted = method(frames=2).targets(x[:, :, 1::2])
    assert torch.equal(model.targets(x)["features"], wanted["features"])
    centred = teacher(tubelet=2)
    state = teacher().encoder.state_dict()
    kernel = torch.zeros_like(centred.encoder.state_dict()["patch_embed.proj.weight"])
    kernel[:, :, 1:] = state["patch_embed.proj.weight"]
    centred.encoder.load_state_dict({**state, "patch_embed.proj.weight": kernel})
    got = method(centred, tubelet=2).targets(x)
    assert torch.allclose(got["features"], wanted["features"], atol=1e-5)
    assert torch.isfinite(step(model, x).loss)


def test_single_images_work():
    assert torch.isfinite(step(method(frames=1), clips(1)).loss)


def test_targets_can_be_kept_and_do_not_depend_on_the_batch():
    model, x = method(), clips()
    whole, alone = model.targets(x), model.targets(x[1:])
    for name in ("features", "attention"):
        assert torch.allclose(whole[name][1:], alone[name], atol=1e-5)


def test_aligned_layers_count_from_the_last_block():
    depths = {"teacher": 24, "student": 12}
    assert aligned_layers(depths, None, {"teacher": 1, "student": 1}) == {
        "teacher": (19, 20, 21, 22, 23, 24),
        "student": (7, 8, 9, 10, 11, 12),
    }
    found = aligned_layers(depths, 3, {"teacher": 2.5, "student": 2})
    assert found == {"teacher": (19, 22, 24), "student": (8, 10, 12)}


@pytest.mark.parametrize(
    ("size", "out_width", "whole", "encoder"), [("base", 512, 88.0, 85.6), ("large", 768, 307.8, 303.1)]
)
def test_sizes_have_the_published_numbers_of_parameters(size, out_width, whole, encoder):
    with torch.device("meta"):
        made = VideoViT(
            TokenGrid(1, 14, 14), patch=16, width=16, depth=12, heads=2, out_width=out_width, **ARCHITECTURE
        )
        model = methods.create("umt", clip_teacher=Teacher(made), size=size)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(whole, abs=0.06)
    assert sum(p.numel() for p in model.encoder.parameters()) / 1e6 == pytest.approx(encoder, abs=0.06)
    assert len(model.clip_decoder) == 6
    assert model.masker.counts(model.encoder.grid) == {"encoder": 320}


def test_without_a_count_a_shallow_network_aligns_what_it_has():
    assert method().teacher_layers == (1, 2, 3) and method().student_layers == (2, 3, 4)
    assert method(clip_student_return_interval=3).student_layers == (1, 4)


def test_layers_that_do_not_exist_are_refused():
    with pytest.raises(OptionError, match=r"clip_return_layer=4.*teacher: 3 blocks.*choose 1 to 3"):
        method(clip_return_layer=4)
    with pytest.raises(OptionError, match="clip_return_layer=0"):
        method(clip_return_layer=0)
    with pytest.raises(OptionError, match="at least 1"):
        method(clip_return_interval=0.5)


@pytest.mark.parametrize("option", [{"clip_loss": "l1"}, {"teacher_statistics": "clip"}, {"clip_norm_type": "l1"}])
def test_unknown_names_are_refused(option):
    with pytest.raises(OptionError, match="unknown"):
        method(**option)


def test_teachers_whose_tokens_fall_elsewhere_are_refused():
    with pytest.raises(ShapeError, match="same places"):
        method(teacher(places=(3, 4)))
    with pytest.raises(ShapeError, match="frames"):
        method(teacher(tubelet=2))
