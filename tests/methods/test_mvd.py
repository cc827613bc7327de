import pytest
import torch

from mvkit import methods
from mvkit.errors import OptionError, ShapeError
from mvkit.losses import feature_loss, normalise_features
from mvkit.methods.mvd import MVD
from mvkit.models import TokenDecoder, VideoViT
from mvkit.models.teachers import Teacher
from mvkit.tokens import TokenGrid
from mvkit.train.optim import decays

SMALL = {"size": "tiny", "frames": 6, "image": 24, "patch": 8, "ratio": 0.6}


def image_teacher(side: int = 3, patch: int = 8) -> Teacher:
    grid = TokenGrid(1, side, side)
    options = {"class_token": True, "position": "blocked_2d"}
    return Teacher(stirred(VideoViT(grid, tubelet=1, patch=patch, width=48, depth=2, heads=3, **options)))


def video_teacher(steps: int = 3) -> Teacher:
    return Teacher(stirred(VideoViT(TokenGrid(steps, 3, 3), patch=8, width=36, depth=2, heads=3)))


def stirred(encoder: VideoViT) -> VideoViT:
    """Norms and biases away from their start, so that a norm too many shows."""
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=seeded(3)))
    return encoder


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips(frames: int = 6) -> torch.Tensor:
    return torch.rand(2, 3, frames, 24, 24, generator=seeded(5))


def create(**options) -> MVD:
    torch.manual_seed(0)
    method = methods.create("mvd", **({"image_teacher": image_teacher(), "video_teacher": video_teacher()} | options))
    assert isinstance(method, MVD)
    return method


def step(method: MVD, x: torch.Tensor, **more):
    return method(x, generator=seeded(), artifacts=True, **more)


def test_the_image_teacher_sees_the_first_frame_of_every_tubelet():
    method, x = create(**SMALL), clips()
    before = method.targets(x)["image"]
    x[:, :, 1::2] = 0
    assert torch.equal(method.targets(x)["image"], before)
    x[:, :, 2] = 0
    changed = (method.targets(x)["image"] != before).any(-1).any(0).view(3, 9)
    assert changed.tolist() == [[False] * 9, [True] * 9, [False] * 9]


def test_targets_are_the_last_residual_stream_before_the_final_norm():
    method, x = create(**SMALL), clips()
    targets = method.targets(x)
    for role, frames in (("image", x[:, :, 2:3]), ("video", x)):
        encoder = method.teachers[role].encoder
        wanted = encoder(frames, layers=(2,))
        got = targets[role][:, 9:18] if role == "image" else targets[role]
        assert torch.allclose(got, wanted.layers[2], atol=1e-6)
        assert not torch.allclose(got, wanted.tokens, atol=0.1)


def test_predictions_and_targets_are_of_hidden_tokens_and_as_wide_as_their_teacher():
    method, x = create(**SMALL), clips()
    out = step(method, x)
    mask = out.masks["encoder"]
    for role, width in (("image", 48), ("video", 36)):
        assert out.artifacts[f"predictions_{role}"].shape == (2, mask.hidden_ids.shape[1], width)
        assert torch.equal(out.artifacts[f"targets_{role}"], mask.hidden_part(method.targets(x)[role]))
    assert "predictions_image" not in method(x, generator=seeded()).artifacts


def test_the_loss_is_the_weighted_sum_of_smooth_l1_losses():
    out = step(create(**SMALL, image_loss_weight=0.5, video_loss_weight=3.0), clips())
    for role in ("image", "video"):
        found = out.artifacts
        assert torch.equal(out.parts[role], feature_loss(found[f"predictions_{role}"], found[f"targets_{role}"]))
    assert torch.allclose(out.loss, 0.5 * out.parts["image"] + 3 * out.parts["video"])


@pytest.mark.parametrize("role", ["image", "video"])
def test_leaving_a_teacher_out_leaves_out_its_parameters_and_its_loss(role):
    other = {"image": "video", "video": "image"}[role]
    both, one = create(**SMALL), create(**SMALL, **{f"{other}_teacher": None})
    gone = {name for name, _ in both.named_parameters()} - {name for name, _ in one.named_parameters()}
    assert gone == {n for n, _ in both.named_parameters() if n.startswith((f"decoders.{other}.", f"heads.{other}."))}
    out = step(one, clips())
    assert set(out.parts) == {role} and torch.equal(out.loss, out.parts[role])


def test_without_a_teacher_it_is_refused():
    with pytest.raises(OptionError, match="image teacher, a video teacher or both"):
        create(**SMALL, image_teacher=None, video_teacher=None)


def test_kept_targets_are_used_and_give_the_same_loss():
    method, x = create(**SMALL), clips()
    kept, asked = method.targets(x), step(method, x)
    assert torch.equal(step(method, x, targets=kept).loss, asked.loss)
    shifted = {role: value + 1 for role, value in kept.items()}
    assert not torch.allclose(step(method, x, targets=shifted).loss, asked.loss)


def test_norm_feature_normalises_targets_and_not_predictions():
    plain, normed = step(create(**SMALL), clips()), step(create(**SMALL, norm_feature=True), clips())
    for role in ("image", "video"):
        assert torch.equal(normed.artifacts[f"predictions_{role}"], plain.artifacts[f"predictions_{role}"])
        assert torch.equal(normed.artifacts[f"targets_{role}"], normalise_features(plain.artifacts[f"targets_{role}"]))


def test_the_kind_of_loss_can_be_chosen_and_an_unknown_one_is_refused():
    out = step(create(**SMALL, distill_loss="l2"), clips())
    difference = out.artifacts["predictions_image"] - out.artifacts["targets_image"]
    assert torch.allclose(out.parts["image"], difference.square().mean())
    with pytest.raises(OptionError, match="distill_loss"):
        create(**SMALL, distill_loss="huber")


def test_the_class_token_starts_near_zero_and_reaches_both_decoders():
    method = create(**SMALL, use_cls_token=True)
    token = method.encoder.class_token
    assert token is not None and 0 < token.abs().max() < 1e-5
    step(method, clips()).loss.backward()
    assert token.grad is not None and token.grad.abs().max() > 0
    before = step(method, clips()).artifacts
    token.data.add_(1.0)
    after = step(method, clips()).artifacts
    assert all(not torch.allclose(before[n], after[n]) for n in ("predictions_image", "predictions_video"))


def test_decoders_have_their_own_mask_tokens_and_these_decay():
    method = create(**SMALL, decoder_depth=3, feat_decoder_embed_dim=32, feat_decoder_num_heads=2, drop_path=0.2)
    image, video = method.decoders["image"], method.decoders["video"]
    assert isinstance(image, TokenDecoder) and isinstance(video, TokenDecoder)
    assert image.mask_token.shape == (1, 1, 32) and not torch.equal(image.mask_token, video.mask_token)
    tokens = {name: p for name, p in method.named_parameters() if name.endswith("mask_token")}
    assert len(tokens) == 2 and all(decays(token) for token in tokens.values())
    rates = [getattr(block.get_submodule("drop_path"), "drop_prob", 0.0) for block in image.blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2])


def test_a_teacher_of_another_patch_is_shown_resized_clips():
    method = create(**SMALL, image_teacher=image_teacher(patch=7))
    assert method.targets(clips())["image"].shape == (2, 27, 48)
    assert torch.isfinite(step(method, clips()).loss)


def test_a_teacher_whose_tokens_fall_elsewhere_is_refused():
    with pytest.raises(ShapeError, match="student a 3x3x3 grid"):
        create(**SMALL, image_teacher=image_teacher(side=4))
    with pytest.raises(ShapeError, match="2x3x3 grid, the student a 3x3x3"):
        create(**SMALL, video_teacher=video_teacher(steps=2))


def test_clips_of_one_tubelet_work():
    method = create(**(SMALL | {"frames": 2}), video_teacher=video_teacher(steps=1))
    assert torch.isfinite(step(method, clips(frames=2)).loss)


def test_small_runs_may_use_another_position_table():
    method = create(**SMALL, position="sincos_3d")
    assert not torch.equal(method.encoder.pos_embed, create(**SMALL).encoder.pos_embed)
    assert torch.isfinite(step(method, clips()).loss)


@pytest.mark.parametrize(
    ("size", "teacher", "decoder", "published", "tables"),
    [
        ("small", 768, (384, 6, 2), 31.67, 1568 * 3 * 384),
        ("base", 768, (768, 12, 2), 120.56, 1568 * 3 * 768),
        ("large", 1024, (512, 8, 4), 334.39, 1568 * (1024 + 2 * 512)),
        ("huge", 1280, (640, 8, 8), 717.67, 1568 * (1280 + 2 * 640)),
    ],
)
def test_sizes_have_the_published_numbers_of_parameters(size, teacher, decoder, published, tables):
    width, heads, depth = decoder
    with torch.device("meta"):
        taught = Teacher(VideoViT(TokenGrid(8, 14, 14), width=teacher, depth=1, heads=16))
        method = methods.create(
            "mvd", size=size, image_teacher=taught, video_teacher=taught,
            decoder_depth=depth, feat_decoder_embed_dim=width, feat_decoder_num_heads=heads,
        )  # fmt: skip
    # The published count includes the frozen position tables, which ours keeps out of its parameters.
    own = sum(p.numel() for p in method.parameters())
    assert (own + tables) / 1e6 == pytest.approx(published, abs=0.006)
