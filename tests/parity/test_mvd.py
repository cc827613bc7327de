from typing import Any

import pytest
import torch
from torch.nn.functional import layer_norm

from mvkit.checkpoints import mae, mvd, videomae
from mvkit.losses import feature_loss
from mvkit.maskers.tube import TubeMasker
from mvkit.methods.mvd import MVD
from mvkit.models import TokenDecoder, VideoViT
from mvkit.models.teachers import Teacher
from mvkit.tokens import TokenGrid

NAME = "mvd_public"


@pytest.mark.parametrize("name", ["image_teacher.blocks.1.mlp.fc2.bias", "video_teacher.encoder.blocks.0.attn.q_bias"])
def test_another_teacher_weight_fails_what_follows_from_it(recording, name):
    recording.change(lambda tensors, _: tensors[f"sd.{name}"].view(-1)[:4].add_(0.1))
    role = name.split("_")[0]
    found = recording.failed()
    assert {f"{role}_teacher_features", f"target_{role[:3].replace('ima', 'img')}", "loss"} <= found
    assert "encoder_out" not in found


def test_teachers_final_norms_and_the_clips_of_the_other_teacher_change_nothing(recording):
    def edit(tensors, _):
        tensors["sd.image_teacher.norm.weight"].add_(1)
        tensors["sd.video_teacher.encoder.norm.bias"].add_(1)
        tensors["video_for_teacher"][:, :, 1::2] = 0

    recording.change(edit)
    assert recording.failures() == []


def test_a_group_that_was_not_recorded_is_passed_over_and_an_unread_tensor_is_named(recording):
    recording.change(lambda tensors, _: (tensors.pop("pred_img"), tensors.update({"mystery": torch.zeros(3)})))
    assert [r.note for r in recording.failures()] == ["nothing reads tensor mystery"]
    assert "pred_img" not in recording.results()


def test_a_gradient_of_something_that_is_not_there_fails(recording):
    recording.change(lambda tensors, _: tensors.update({"grad.pos_embed": torch.zeros(1, 72, 32)}))
    assert recording.failed() == {"grad.pos_embed"}


@pytest.mark.parametrize("roles", [("image", "video"), ("image",), ("video",)])
@pytest.mark.parametrize("kind", [("smooth_l1", "SmoothL1, beta 1.0"), ("l2", "L2, mean")])
def test_recordings_of_other_shapes_are_built_from_the_sidecar_alone(record, roles, kind):
    """Recorded from our own modules, put together by hand."""
    method = odd_method(roles, kind[0])
    odd = record("mvd_odd", odd_step(method) | odd_weights(method), config=ODD, loss_function=kind[1])
    assert [r.line() for r in odd.failures()] == []


# Non-square clips, a tubelet of 3, a class token, an image teacher of another size and patch, and unequal weights.
ODD = {
    "img_size": [8, 16], "patch_size": 4, "num_frames": 6, "tubelet_size": 3, "mask_ratio": 0.5, "mlp_ratio": 2.0,
    "norm_feature": True, "image_loss_weight": 0.5, "video_loss_weight": 2.0,
    "student": {
        "embed_dim": 32, "depth": 3, "num_heads": 2, "decoder_depth": 2, "feat_decoder_embed_dim": 16,
        "feat_decoder_num_heads": 4, "use_cls_token": True,
    },
    "image_teacher": {"img_size": [12, 24], "patch_size": 6, "embed_dim": 20, "depth": 2, "num_heads": 5},
    "video_teacher": {"img_size": [8, 16], "patch_size": 4, "embed_dim": 24, "depth": 1, "num_heads": 3},
}  # fmt: skip
GRID, IMAGE_GRID, SUFFIX = TokenGrid(2, 2, 4), TokenGrid(1, 2, 4), {"image": "img", "video": "vid"}


def odd_method(roles: tuple[str, ...], kind: str) -> MVD:
    torch.manual_seed(3)
    scaled: dict[str, Any] = {"mlp_ratio": 2.0, "layer_scale": 0.1, "position": "blocked_3d"}
    encoder = VideoViT(GRID, tubelet=3, patch=4, width=32, depth=3, heads=2, class_token=True, **scaled)
    encoders = {
        "image": VideoViT(
            IMAGE_GRID, tubelet=1, patch=6, width=20, depth=2, heads=5, mlp_ratio=2.0,
            class_token=True, key_bias=True, position="blocked_2d",
        ),
        "video": VideoViT(GRID, tubelet=3, patch=4, width=24, depth=1, heads=3, mlp_ratio=2.0),
    }  # fmt: skip
    method = MVD(
        encoder=encoder,
        teachers={role: Teacher(encoders[role]) for role in roles},
        decoders={
            role: TokenDecoder(GRID, in_width=32, width=16, depth=2, heads=4, project_bias=True, **scaled)
            for role in roles
        },
        masker=TubeMasker(0.5),
        weights={role: {"image": 0.5, "video": 2.0}[role] for role in roles},
        norm_feature=True,
        distill_loss=kind,
    )
    with torch.no_grad():
        for parameter in (*method.parameters(), *(p for one in encoders.values() for p in one.parameters())):
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return method


def odd_step(method: MVD) -> dict[str, torch.Tensor]:
    """Inputs, and what comes of them, every step written out."""
    clips, other = torch.rand(2, 3, 6, 8, 16), torch.rand(2, 3, 6, 12, 24)
    encoder = method.encoder
    mask = TubeMasker(0.5)(GRID, 2, generator=torch.Generator().manual_seed(0)).primary
    seen = encoder(clips, mask)
    assert seen.class_token is not None
    found = {"mask": mask.hidden, "video": normal(clips, encoder), "video_for_teacher": normal(other, encoder)}
    found["encoder_out"] = torch.cat([seen.class_token[:, None], seen.tokens], dim=1)
    found["loss"] = torch.zeros(())
    for role, teacher in method.teachers.items():
        if role == "image":
            frames = [teacher.encoder(other[:, :, t : t + 1], layers=(2,)).layers[2] for t in (0, 3)]
            features = torch.cat(frames, dim=1)
        else:
            features = teacher.encoder(clips, layers=(1,)).layers[1]
        raw = mask.hidden_part(features)
        target = layer_norm(raw, raw.shape[-1:], eps=1e-6)
        prediction = method.heads[role](method.decoders[role](seen.tokens, mask, class_token=seen.class_token))
        loss, off = (feature_loss(prediction, wanted, method.distill_loss) for wanted in (target, raw))
        found["loss"] = found["loss"] + method.weights[role] * loss
        found |= {f"{role}_teacher_features": features, f"target_{SUFFIX[role]}": target}
        found |= {f"pred_{SUFFIX[role]}": prediction, f"loss_{SUFFIX[role]}": loss}
        found[f"norm_feature_off.loss_{SUFFIX[role]}"] = off
    found["loss"].backward()
    gradients = {name: p.grad for name, p in method.named_parameters() if p.grad is not None}
    found |= {f"grad.{name}": value for name, value in mvd.write(gradients).items()}
    found["transfer.features"] = layer_norm(encoder(clips, layers=(3,)).layers[3].mean(1), (32,), eps=1e-6)
    return found


def odd_weights(method: MVD) -> dict[str, torch.Tensor]:
    found = {f"sd.student.{name}": value for name, value in mvd.write(method.state_dict(), GRID).items()}
    for role, teacher in method.teachers.items():
        state = teacher.state_dict()  # `encoder.*`
        official = mae.write(state, IMAGE_GRID) if role == "image" else videomae.write(state)
        found |= {f"sd.{role}_teacher.{name}": value for name, value in official.items()}
    return found


def normal(clips: torch.Tensor, encoder: VideoViT) -> torch.Tensor:
    return (clips - encoder.mean.view(3, 1, 1, 1)) / encoder.std.view(3, 1, 1, 1)
