"""Official files through the door, against what the official models computed from the same weights."""

import pytest
import torch

from mvkit import checkpoints, methods
from mvkit.checkpoints.tables import interpolate
from mvkit.errors import CheckpointError, OptionError
from mvkit.maskers.base import TokenMask
from mvkit.models import VideoClassifier, VideoViT
from mvkit.tokens import TokenGrid

PATCH = "patch_embed.proj.weight"


def close(got, wanted) -> bool:
    return torch.allclose(got, wanted, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "prefix", "heads", "kind"),
    [("videomae_pretrain_public", "sd.", 4, "videomae"), ("mvd_public", "sd.student.", 2, "mvd")],
)
def test_a_pre_training_file_gives_the_official_encoder(recorded, name, prefix, heads, kind):
    found = recorded(name)
    heads = found.config.get("encoder_num_heads") or found.config["student"]["num_heads"]
    encoder, report = checkpoints.load(found.under(prefix), frames=16, image=24, heads=heads)
    assert isinstance(encoder, VideoViT) and not encoder.training
    with torch.no_grad():
        tokens = encoder(found.clips("video"), TokenMask(found["mask"], encoder.grid)).tokens
    assert close(tokens, found["encoder_out"])
    assert report.matched == tuple(encoder.state_dict()) and not report.missing and not report.unexpected
    assert report.left_out and all(not part.startswith("encoder.") for part in report.left_out)
    assert report.notes[0] == f"read as '{kind}', pre-training" and "8x3x3 grid" in report.notes[-1]


@pytest.mark.parametrize(("name", "prefix"), [("videomae_pretrain_public", "sd."), ("mvd_public", "sd.student.")])
def test_a_fresh_head_gives_the_official_fine_tuning_model(recorded, name, prefix):
    found = recorded(name)
    heads = found.config.get("encoder_num_heads") or found.config["student"]["num_heads"]
    longer = torch.cat([found.clips("video")[:1], found.clips("video")[:1].flip(2)], dim=2)
    for clips, wanted in (
        (found.clips("video"), found["transfer.features"]),
        (longer, found.tensors.get("transfer.features_longer_clip")),
    ):
        if wanted is None:
            continue
        model, report = checkpoints.load(found.under(prefix), frames=clips.shape[2], image=24, heads=heads, classes=7)
        assert isinstance(model, VideoClassifier) and model.head.out_features == 7
        with torch.no_grad():
            assert close(model.features(clips), wanted)
        assert report.missing == ("fc_norm.weight", "fc_norm.bias", "head.weight", "head.bias")
        assert {"norm.weight", "norm.bias"} <= set(report.left_out)


def umt_tuned(recorded) -> dict[str, torch.Tensor]:
    """The recorded fine-tuning model of UMT as its file would be: the student's blocks; norm, head, table."""
    found = recorded("umt_stage1_public")
    state = {n: v for n, v in found.under("student.encoder.").items() if not n.startswith("norm.")}
    own = {n: v for n, v in found.under("finetune.").items() if n not in ("input", "logits")}
    return state | own


@pytest.mark.parametrize("stored", [True, False])
def test_the_fine_tuning_file_of_umt_gives_its_logits_whether_or_not_it_keeps_its_table(recorded, stored):
    found, state = recorded("umt_stage1_public"), umt_tuned(recorded)
    if not stored:
        del state["pos_embed"]
    model, report = checkpoints.load(state, frames=4, image=32, heads=4)
    with torch.no_grad():
        assert close(model(found.clips("finetune.input")), found["finetune.logits"])
    assert not model.encoder.pos_embed.requires_grad  # it is never trained there
    assert report.notes[0] == "read as 'umt', fine-tuning"
    assert ("interpolated" in report.notes[-1]) is not stored


def test_a_fine_tuning_file_of_umt_tells_its_own_clips_and_goes_to_others_on_purpose(recorded):
    state = umt_tuned(recorded)
    assert checkpoints.load(state, frames=4, heads=4)[0].encoder.grid == TokenGrid(4, 4, 4)
    with pytest.raises(CheckpointError, match="from 4x4 to 3x3: resize_positions=True"):
        checkpoints.load(state, grid=TokenGrid(4, 3, 3), heads=4)


def test_umt_pre_training_and_fine_tuning_have_different_tables(recorded):
    state = recorded("umt_stage1_public").under("student.")
    before, _ = checkpoints.load(state, frames=4, image=32, heads=4)
    after, _ = checkpoints.load(state, frames=4, image=32, heads=4, classes=3)
    assert before.config["position"] == "sincos_1d" and not close(before.pos_embed, after.encoder.pos_embed)


@pytest.mark.parametrize("prefix", ["", "visual."])
def test_clips_visual_part_gives_the_recorded_features(recorded, prefix):
    found = recorded("umt_stage1_public")
    state = {f"{prefix}{name}": value for name, value in found.under("teacher.").items()}
    if prefix:  # OpenAI's files hold the text tower as well, with names that resemble
        state |= {"positional_embedding": torch.zeros(5, 8), "transformer.resblocks.0.ln_1.weight": torch.zeros(8)}
    # UMT feeds CLIP with ImageNet's statistics.
    encoder, report = checkpoints.load(state, heads=4, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    clips = found.clips("teacher_in.videos")
    with torch.no_grad():
        frame = encoder(clips[:, :, 1:2], layers=(2, 4))
        said = torch.stack([encoder.finish(frame.layers[n]) for n in (2, 4)])
    wanted = found["teacher_out.features_unnormalised"].unflatten(2, (clips.shape[2], -1))[:, :, 1]
    assert close(said, wanted)
    assert encoder.grid == TokenGrid(1, 4, 4) and report.matched == tuple(encoder.state_dict())
    assert len(report.left_out) == (2 if prefix else 0) and not report.unexpected


def test_mae_keeps_its_class_token_and_key_biases(recorded):
    found = recorded("mvd_public")
    encoder, report = checkpoints.load(found.under("sd.image_teacher."), heads=4)
    clips = found.clips("video")
    with torch.no_grad():
        said = encoder(clips[:, :, 2:3], layers=(2,)).layers[2]
    assert close(said, found["image_teacher_features"].unflatten(1, (8, 9))[:, 1])
    assert encoder.grid == TokenGrid(1, 3, 3) and encoder.config["position"] == "blocked_2d"
    assert report.left_out == ("pos_embed",)  # a formula, made anew
    assert report.matched == tuple(encoder.state_dict())


def test_a_frozen_table_of_mae_goes_to_another_grid_only_on_purpose(recorded):
    state = recorded("mvd_public").under("sd.image_teacher.")
    with pytest.raises(CheckpointError, match="from 3x3 to 2x5: resize_positions=True"):
        checkpoints.load(state, image=(16, 40), heads=4)
    resized, report = checkpoints.load(state, image=(16, 40), heads=4, resize_positions=True)
    wanted = interpolate(state["pos_embed"][0, 1:], TokenGrid(1, 3, 3), TokenGrid(1, 2, 5))
    assert torch.equal(resized.pos_embed, wanted) and report.reshaped == ("pos_embed",)
    rebuilt, report = checkpoints.load(state, image=(16, 40), heads=4, resize_positions="rebuild")
    assert rebuilt.config["position"] == "blocked_2d" and not report.reshaped


def test_mvds_tables_are_always_made_anew_as_its_own_code_does(recorded):
    encoder, report = checkpoints.load(recorded("mvd_public").under("sd.student."), frames=8, image=(16, 40), heads=2)
    assert encoder.grid == TokenGrid(4, 2, 5) and encoder.config["position"] == "blocked_3d"
    assert {"pos_embed", "pos_embed_img", "pos_embed_vid"} <= set(report.left_out)


def test_a_learned_video_table_is_read_with_its_leading_axis(recorded):
    state = recorded("videomae_pretrain_public").under("sd.")
    state["encoder.pos_embed"] = torch.randn(1, 72, 32)
    encoder, report = checkpoints.load(state, frames=16, image=24, heads=4)
    assert torch.equal(encoder.pos_embed, state["encoder.pos_embed"][0]) and "pos_embed" in report.matched


def test_amd_and_maskagain_students_open_with_what_they_have(recorded):
    student, report = checkpoints.load(recorded("amd_public").under("student."), frames=8, image=32, heads=4)
    assert student.grid == TokenGrid(4, 4, 4) and "encoder.projection_heads.0.weight" in report.left_out
    assert "generators.0.norm.weight" in report.left_out and not report.unexpected
    encoder, report = checkpoints.load(recorded("maskagain_public").under("student."), frames=8, image=16, heads=4)
    assert not isinstance(encoder.norm, torch.nn.LayerNorm) and not report.missing


def test_the_released_models_need_no_sizes(tuned):
    state = {n: v for n, v in tuned(width=384).items() if not n.startswith(("fc_norm.", "head."))}
    encoder, report = checkpoints.load(state, "videomae")
    assert encoder.config["heads"] == 6 and encoder.grid == TokenGrid(8, 28, 28)  # patches of 8 here
    assert "6 heads, gelu" in report.notes


def test_heads_that_no_shape_tells_are_asked_for(tuned):
    with pytest.raises(CheckpointError, match="width 48, which no published model has: say heads="):
        checkpoints.load(tuned(), "mvd")


def small(tuned, **more):
    return {"source": tuned(**more), "frames": 4, "image": (16, 24), "heads": 3}


def test_the_same_fine_tuning_file_computes_otherwise_as_another_kind(tuned):
    clips = torch.rand(1, 3, 4, 16, 24)
    said = {kind: checkpoints.load(**small(tuned), kind=kind)[0].eval()(clips) for kind in ("videomae", "amd", "mvd")}
    assert torch.equal(said["videomae"], said["amd"]) and not close(said["videomae"], said["mvd"])


def test_a_head_is_kept_dropped_or_replaced_on_purpose(tuned):
    state = tuned()
    model, report = checkpoints.load(**small(tuned), kind="videomae")
    assert torch.equal(model.head.weight, state["head.weight"]) and not report.missing and not report.left_out
    encoder, report = checkpoints.load(**small(tuned), kind="videomae", head=False)
    assert isinstance(encoder, VideoViT) and "head.weight" in report.left_out
    model, report = checkpoints.load(**small(tuned), kind="videomae", classes=9)
    assert report.missing == ("head.weight", "head.bias") and report.left_out == ("head.weight", "head.bias")
    assert torch.equal(model.fc_norm.weight, state["fc_norm.weight"])
    with pytest.raises(OptionError, match="say one of them"):
        checkpoints.load(**small(tuned), kind="videomae", head=False, classes=9)


def test_a_head_on_one_token_is_not_opened_as_a_mean(tuned):
    state = {n.replace("fc_norm", "norm"): v for n, v in tuned().items()}
    with pytest.raises(CheckpointError, match=r"fine-tuned on one token.*head=False"):
        checkpoints.load(state, "videomae", frames=4, image=16, heads=3)
    encoder, _ = checkpoints.load(state, "videomae", frames=4, image=16, heads=3, head=False)
    assert torch.equal(encoder.norm.weight, state["norm.weight"])


def test_unknown_names_are_reported_and_unknown_parts_of_a_block_refused(tuned):
    _, report = checkpoints.load(**small(tuned, other=torch.zeros(2)), kind="videomae")
    assert report.unexpected == ("other",)
    more = {"blocks.1.attn.q_norm.weight": torch.zeros(16)}
    with pytest.raises(CheckpointError, match=r"it has besides encoder\.blocks\.1\.attn\.q_norm"):
        checkpoints.load(**small(tuned, **more), kind="videomae")


def test_a_file_that_lacks_a_block_or_a_weight_is_refused(tuned):
    for gone, why in (("blocks.0.", "not whole"), ("blocks.1.mlp.fc2.bias", "lacks encoder.blocks.1.mlp.fc2.bias")):
        state = {n: v for n, v in tuned().items() if not n.startswith(gone)}
        with pytest.raises(CheckpointError, match=why):
            checkpoints.load(state, "videomae", frames=4, image=16, heads=3)


def test_layer_scale_and_drop_path_come_through(tuned):
    gammas = {f"blocks.{i}.gamma_{k}": torch.full((48,), i + k / 10) for i in range(2) for k in (1, 2)}
    model, report = checkpoints.load(**small(tuned, **gammas), kind="videomae", drop_path=0.3)
    assert model.encoder.blocks[1].ls2.gamma[0] == 1.2 and model.encoder.config["drop_path"] == 0.3
    assert not report.unexpected
    with pytest.raises(OptionError, match="unknown field of VideoViT 'droppath'"):
        checkpoints.load(**small(tuned), kind="videomae", droppath=0.3)


def test_weights_of_half_precision_are_read_as_float32(tuned):
    state = {name: value.half() for name, value in tuned().items()}
    model, _ = checkpoints.load(state, "videomae", frames=4, image=16, heads=3)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_folder_of_this_kit_opens_at_the_same_door(tmp_path):
    options = {"size": "tiny", "frames": 4, "image": 16, "patch": 8}
    method = methods.create("videomae", **options)
    checkpoints.save(tmp_path, method, name="videomae", options=options)
    encoder, _ = checkpoints.load(tmp_path)
    assert torch.equal(encoder.patch_embed.proj.weight, method.encoder.patch_embed.proj.weight)
    model, report = checkpoints.load(tmp_path, classes=3, grid=TokenGrid(4, 2, 2))
    assert isinstance(model, VideoClassifier) and model.encoder.grid == TokenGrid(4, 2, 2)
    assert "head.weight" in report.missing and "encoder.norm.weight" in report.left_out
    with pytest.raises(OptionError, match="folder of this kit"):
        checkpoints.load(tmp_path, "videomae")
