import torch
from torch import nn

from mvkit.checkpoints import amd as layout
from mvkit.losses import feature_loss, normalise_pixels, pixel_loss
from mvkit.maskers.base import TokenMask
from mvkit.maskers.nested import NestedMasker
from mvkit.methods.amd import AMD, generator
from mvkit.models import TokenDecoder, VideoViT
from mvkit.models.teachers import Teacher
from mvkit.parity.numpy_masks import RandomState, nested
from mvkit.tokens import TokenGrid, patchify
from mvkit.train.optim import adamw, parameter_groups, set_rate

# Non-square clips, layers that differ between the terms, raw pixels, and no recipe's number left as it was.
ODD = {
    "seed": 9, "img_size": [12, 20], "patch_size": 4, "tubelet_size": 2, "num_frames": 4, "qkv_bias": False,
    "mask_ratio_student": 0.8, "mask_ratio_teacher": 0.4, "align_loss": "sml1", "recfac": 0.5, "dirfac": 2.0,
    "genfac": 3.0, "normalize_target": False, "generator_depth": 2,
    "student": {"embed_dim": 16, "depth": 4, "num_heads": 2, "mlp_ratio": 2.0},
    "teacher": {"embed_dim": 128, "depth": 3, "num_heads": 8, "mlp_ratio": 3.0},
    "decoder": {"embed_dim": 12, "depth": 2, "num_heads": 3},
    "student_layers_direct": [4, 1, 2], "teacher_layers_direct": [1, 3, 2],
    "student_layers_gen": [3], "teacher_layers_gen": [2],
}  # fmt: skip
GRID, RATES = TokenGrid(2, 3, 5), (1e-3, 5e-4)


def test_recordings_of_other_shapes_are_built_from_the_sidecar_alone(record):
    """Recorded from our own modules, put together by hand: two steps of the optimiser without clipping."""
    method, masks = odd_method(), odd_masks()
    clips = torch.rand(2, 3, 4, 12, 20)
    tensors = {f"student.{name}": value.clone() for name, value in layout.write(method.state_dict()).items()}
    tensors |= {f"teacher.{name}": value for name, value in method.teachers["video"].encoder.state_dict().items()}
    tensors |= {"input.video": (clips - method.encoder.mean.view(3, 1, 1, 1)) / method.encoder.std.view(3, 1, 1, 1)}
    tensors |= {"aux.generator_mask_tokens.0": method.generators[0].mask_token.clone()}
    tensors |= {f"input.mask_{role}": masks[role].hidden.to(torch.uint8) for role in ("student", "teacher")}
    tensors |= {"input.mask_diff": (~masks["extra"].hidden).to(torch.uint8)}
    found = method.predict(clips, masks)
    pixels = masks["student"].hidden_part(patchify(clips, tubelet=2, patch=4))
    tensors |= {"out.pixel_target": pixels, "out.student_dir.2": found["direct_predictions.2"]}
    tensors |= {
        "out.student_gen.0": found["generation_predictions.0"],
        "out.teacher_gen.0": found["generation_targets.0"],
    }
    pairs = [(found[f"direct_predictions.{i}"], found[f"direct_targets.{i}"]) for i in range(3)]
    variant = {
        "normalize_target": True, "align_loss": "l1", "recfac": 1, "dirfac": 0, "genfac": 0,
        "pixel": pixel_loss(found["pixel_predictions"], normalise_pixels(pixels)).item(),
        "direct": torch.stack([feature_loss(*pair, "l1") for pair in pairs]).mean().item(),
    }  # fmt: skip
    variant["total"] = variant["pixel"]
    optimiser, steps = adamw(parameter_groups(method, 0.05), betas=(0.9, 0.99)), []
    for i, rate in enumerate(RATES):
        method.zero_grad()
        out = method.compute(clips, masks)
        out.loss.backward()
        if i == 0:
            tensors["loss.total"] = out.loss.detach()
            grads = {name: p.grad.clone() for name, p in method.named_parameters() if p.grad is not None}
            tensors |= {f"grad.{n}": value for n, value in layout.write(grads).items() if not layout.is_dead(n)}
        steps.append({"step": i, "lr": rate, "total": out.loss.item()})
        set_rate(optimiser, rate)
        optimiser.step()
    tensors |= {f"after2.{name}": value for name, value in layout.write(method.state_dict()).items()}
    settings = {"betas": [0.9, 0.99], "eps": 1e-8, "weight_decay": 0.05, "clip_grad_norm": None}
    trajectory = {"settings": settings, "steps": steps}
    odd = record("amd_odd", tensors, config=ODD, variants=[variant], optimiser_trajectory=trajectory)
    assert [r.line() for r in odd.failures()] == []
    wanted = {"mask_from_seed.teacher", "variants.0.total", "trajectory.1.total", "after2.encoder.norm.weight"}
    assert wanted <= odd.results().keys()


def odd_method() -> AMD:
    torch.manual_seed(3)
    student, plain = {"mlp_ratio": 2.0, "qkv_bias": False}, {"mlp_ratio": 3.0, "qkv_bias": False}
    taught = VideoViT(GRID, patch=4, width=128, depth=3, heads=8, final_norm=False, **plain)
    method = AMD(
        encoder=VideoViT(GRID, patch=4, width=16, depth=4, heads=2, **student),
        teacher=Teacher(taught),
        decoder=TokenDecoder(GRID, in_width=16, width=12, depth=2, heads=3, **student),
        projections=nn.ModuleList(nn.Linear(16, 128, bias=False) for _ in range(3)),
        generators=nn.ModuleList([generator(GRID, 128, 2, position="sincos_1d", learn_mask_token=False, **student)]),
        masker=NestedMasker(student_ratio=0.8, teacher_ratio=0.4),
        direct=[(1, 1), (2, 2), (4, 3)],
        generation=[(3, 2)],
        align_loss="smooth_l1",
        recfac=0.5,
        dirfac=2.0,
        genfac=3.0,
        normalise_targets=False,
    )
    with torch.no_grad():
        for parameter in (*method.parameters(), *taught.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return method


def odd_masks() -> dict[str, TokenMask]:
    draws = RandomState(9)
    student, teacher, extra = zip(*(nested(GRID, 0.8, 0.4, draws) for _ in range(2)), strict=True)
    hidden = {"student": student, "teacher": teacher, "extra": [~one for one in extra]}
    return {
        role: TokenMask(torch.stack([torch.from_numpy(one) for one in rows]), GRID) for role, rows in hidden.items()
    }
