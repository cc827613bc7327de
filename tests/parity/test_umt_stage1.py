import json
import shutil

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from safetensors.torch import load_file, save_file

from mvkit import parity
from mvkit.checkpoints import clip as clip_layout
from mvkit.checkpoints import umt as layout
from mvkit.losses import alignment_loss
from mvkit.maskers.attention import AttentionMasker
from mvkit.methods.umt import UMT
from mvkit.models import VideoViT
from mvkit.models.teachers import Teacher
from mvkit.tokens import TokenGrid

NAME = "umt_stage1_public"


@pytest.fixture
def recording(recordings, tmp_path):
    for suffix in (".safetensors", ".json"):
        shutil.copy(recordings / f"{NAME}{suffix}", tmp_path)
    return tmp_path


def failures(folder):
    return [result for result in parity.check(folder) if not result.passed]


def change(folder, edit):
    path = folder / f"{NAME}.safetensors"
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path)


def test_every_recorded_group_of_the_official_step_is_reproduced(recording):
    results = list(parity.check(recording))
    assert [r.line() for r in results if not r.passed] == []
    tensors = load_file(recording / f"{NAME}.safetensors")
    expected = {n for n in tensors if not n.startswith(("student.", "teacher.", "input.", "finetune."))}
    # Inputs: masks drawn by the loader, and the order drawn from attention, of which the mask is made.
    expected -= {"attention.importance", "random.mask", "tube.mask"}
    said = {"results.engine_loss", "results.student_return_index", "results.finetune_load", "finetune.logits"}
    assert expected | said <= {r.group for r in results}


KINDS = ("attention", "random", "tube")
EXPECTED = [f"{kind}.{what}" for kind in KINDS for what in ("student_encoder_out", "student_out", "target")]
EXPECTED += [f"{kind}.loss_{loss}" for kind in KINDS for loss in ("l2", "mse", "smooth_l1")]
EXPECTED += ["teacher_in.videos", "teacher_mid.resblock_0", "teacher_mid.resblock_3", "teacher_out.attn"]
EXPECTED += ["teacher_out.features", "teacher_out.features_unnormalised", "engine.loss", "engine.grad_norm"]
EXPECTED += ["student_buffers.encoder_pos_embed", "student_buffers.clip_pos_embed", "finetune.pos_embed"]
EXPECTED += [
    "finetune.logits",
    "attention.grad.encoder.blocks.0.attn.q_bias",
    "attention.grad.clip_decoder.1.head.bias",
]
EXPECTED += ["attention.after_step.encoder.patch_embed.proj.weight", "attention.after_step.encoder.norm.weight"]


@pytest.mark.parametrize("name", EXPECTED)
def test_an_error_of_a_thousandth_in_one_expected_value_fails_its_group(recording, name):
    def nudge(tensors):
        tensors[name].view(-1)[0] += 1e-3

    change(recording, nudge)
    assert [r.group for r in failures(recording)] == [name]


def test_a_mask_that_is_not_what_was_drawn_first_fails(recording):
    def swap(tensors):
        row = tensors["attention.importance"][0]
        row[[3, 4]] = row[[4, 3]]

    change(recording, swap)
    assert "attention.mask" in {r.group for r in failures(recording)}


@pytest.mark.parametrize(
    ("key", "value"),
    [("engine_loss", 1.9), ("teacher_return_index", [3, 2]), ("num_visible_per_frame_attention", 3)],
)
def test_wrong_numbers_in_the_sidecar_fail(recording, key, value):
    path = recording / f"{NAME}.json"
    said = json.loads(path.read_text())
    said["results"][key] = value
    path.write_text(json.dumps(said))
    assert [r.group for r in failures(recording)] == [f"results.{key}"]


def test_groups_that_were_not_recorded_are_passed_over_and_unknown_ones_named(recording):
    def edit(tensors):
        for name in [n for n in tensors if n.startswith(("finetune.", "engine.", "tube.", "attention.importance"))]:
            del tensors[name]
        tensors["mystery"] = torch.zeros(3)

    change(recording, edit)
    assert [r.note for r in failures(recording)] == ["nothing reads tensor mystery"]


@pytest.mark.parametrize(("tubelet", "norm"), [(1, "l2"), (2, "none")])
def test_recordings_of_other_shapes_are_built_from_the_sidecar_alone(tmp_path, tubelet, norm):
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
    save_file({k: v.contiguous() for k, v in tensors.items()}, tmp_path / "umt_stage1_odd.safetensors")
    (tmp_path / "umt_stage1_odd.json").write_text(json.dumps({"config": config, "results": said}))
    assert [r.line() for r in failures(tmp_path)] == []
