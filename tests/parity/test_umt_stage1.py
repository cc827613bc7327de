import pytest
import torch
import torch.nn.functional as F
from einops import rearrange

from mvkit.checkpoints import clip as clip_layout
from mvkit.checkpoints import umt as layout
from mvkit.losses import alignment_loss
from mvkit.maskers.attention import AttentionMasker
from mvkit.methods.umt import UMT
from mvkit.models import VideoViT
from mvkit.models.teachers import Teacher
from mvkit.tokens import TokenGrid

NAME = "umt_stage1_public"


def test_a_mask_that_is_not_what_was_drawn_first_fails(recording):
    def swap(tensors, _):
        row = tensors["attention.importance"][0]
        row[[3, 4]] = row[[4, 3]]

    recording.change(swap)
    assert "attention.mask" in recording.failed()


@pytest.mark.parametrize(
    ("key", "value"),
    [("engine_loss", 1.9), ("teacher_return_index", [3, 2]), ("num_visible_per_frame_attention", 3)],
)
def test_wrong_numbers_in_the_sidecar_fail(recording, key, value):
    recording.change(lambda _, said: said["results"].update({key: value}))
    assert recording.failed() == {f"results.{key}"}


def test_groups_that_were_not_recorded_are_passed_over_and_unknown_ones_named(recording):
    def edit(tensors, _):
        for name in [n for n in tensors if n.startswith(("finetune.", "engine.", "tube.", "attention.importance"))]:
            del tensors[name]
        tensors["mystery"] = torch.zeros(3)

    recording.change(edit)
    assert [r.note for r in recording.failures()] == ["nothing reads tensor mystery"]


@pytest.mark.parametrize(("tubelet", "norm"), [(1, "l2"), (2, "none")])
def test_recordings_of_other_shapes_are_built_from_the_sidecar_alone(record, tubelet, norm):
    """Non-square clips, a teacher of another resolution, longer patches and other intervals, in the official layout."""
    torch.manual_seed(3)
    student = VideoViT(TokenGrid(3, 2, 4), tubelet=tubelet, patch=6, width=24, depth=5, heads=3, mlp_ratio=2.0)
    clip = VideoViT(
        TokenGrid(1, 2, 4), patch=4, width=32, depth=4, heads=2, out_width=7,
        **{**clip_layout.ARCHITECTURE, "tubelet": tubelet},
    )  # fmt: skip
    method = UMT(
        encoder=student, teacher=Teacher(clip), masker=AttentionMasker(ratio=0.6),
        clip_return_layer=3, clip_return_interval=1.5, clip_student_return_interval=2, clip_norm_type=norm,
    )  # fmt: skip
    clips = torch.rand(2, 3, 3 * tubelet, 12, 24)
    out = method(clips, generator=torch.Generator().manual_seed(0), artifacts=True)
    video = (clips - student.mean.view(3, 1, 1, 1)) / student.std.view(3, 1, 1, 1)
    small = F.interpolate(rearrange(video, "b c t h w -> b (c t) h w"), size=(8, 16), mode="bicubic")
    loss = alignment_loss(out.artifacts["predictions"], out.artifacts["targets"], "mse")
    tensors = {
        **{f"student.{name}": value for name, value in layout.write(method.state_dict()).items()},
        **{f"teacher.{name}": value for name, value in clip_layout.write(clip.state_dict()).items()},
        "input.videos": video,
        "teacher_in.videos": rearrange(small, "b (c t) h w -> b c t h w", c=3),
        "teacher_out.attn": out.artifacts["attention"].flatten(0, 1),
        "attention.mask": out.masks["encoder"].hidden,
        "attention.student_out": out.artifacts["predictions"].transpose(0, 1),
        "attention.target": out.artifacts["targets"].transpose(0, 1),
        "attention.loss_mse": loss.detach()[None],
    }
    config = {
        "mask_ratio": 0.6,
        "student": {
            "img_size": [12, 24], "patch_size": 6, "embed_dim": 24, "depth": 5, "num_heads": 3, "tubelet_size": tubelet,
            "clip_norm_type": norm, "clip_return_layer": 3, "clip_student_return_interval": 2,
        },
        "teacher": {
            "input_resolution": [8, 16], "patch_size": 4, "width": 32, "layers": 4, "heads": 2, "output_dim": 7,
            "kernel_size": tubelet, "clip_return_layer": 3, "clip_return_interval": 1.5,
        },
    }  # fmt: skip
    said = {"student_return_index": [4, 2, 0], "teacher_return_index": [3, 2, 0]}
    assert [r.line() for r in record("umt_stage1_odd", tensors, config=config, results=said).failures()] == []
