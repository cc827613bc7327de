"""Weights written as the official codes name them, and read back to the same bits."""

import pytest
import torch

from mvkit import checkpoints, methods
from mvkit.checkpoints import amd, clip, finetuned, mae, maskagain, mvd, umt, videomae
from mvkit.checkpoints.files import open_weights
from mvkit.errors import CheckpointError
from mvkit.models import VideoClassifier, VideoViT
from mvkit.tokens import TokenGrid

SMALL = {"size": "tiny", "frames": 4, "image": 24, "patch": 8}


def same(found, wanted) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


RECORDED = [
    ("videomae_pretrain_public", "sd.", "videomae", {"frames": 16, "image": 24}),
    ("mvd_public", "sd.student.", "mvd", {"frames": 16, "image": 24}),
    ("mvd_public", "sd.image_teacher.", "mae", {}),
    ("mvd_public", "sd.video_teacher.", "videomae", {"frames": 16, "image": 24}),
    ("amd_public", "student.", "amd", {"frames": 8, "image": 32}),
    ("amd_public", "teacher.", "amd", {"frames": 8, "image": 32, "head": False}),
    ("maskagain_public", "student.", "maskagain", {"frames": 8, "image": 16}),
    ("maskagain_public_base", "student.", "maskagain", {"frames": 8, "image": 16}),
    ("umt_stage1_public", "student.", "umt", {"frames": 4, "image": 32}),
    ("umt_stage1_public", "teacher.", "clip", {}),
]


@pytest.mark.parametrize(("name", "prefix", "kind", "clips"), RECORDED)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_recorded_file_comes_back_to_the_last_bit(recorded, tmp_path, name, prefix, kind, clips, suffix):
    """Read into an encoder, and that written over what the file holds besides."""
    state, path = recorded(name).under(prefix), tmp_path / f"a{suffix}"
    encoder, _ = checkpoints.load(state, kind, heads=2, **clips)
    checkpoints.export(encoder, path, kind=kind, like=state)
    assert list(open_weights(path).state) == list(state) or suffix == ".safetensors"  # which are kept sorted
    assert same(open_weights(path).state, state)


@pytest.mark.parametrize(
    ("name", "prefix", "layout", "dropped"),
    [
        ("videomae_pretrain_public", "sd.", videomae, lambda name: False),
        ("mvd_public", "sd.student.", mvd, mvd.is_dropped),
        ("mvd_public", "sd.image_teacher.", mae, mae.is_dropped),
        ("amd_public", "student.", amd, amd.is_dead),
        ("maskagain_public", "student.", maskagain, lambda name: False),
        ("umt_stage1_public", "student.", umt, lambda name: False),
    ],
)
def test_whole_pre_training_states_survive_reading_and_writing(recorded, name, prefix, layout, dropped):
    state = recorded(name).under(prefix)
    if layout is maskagain:
        state |= recorded(name).under("projector.")
    written = layout.write(layout.read(state))
    assert {n for n in state if not dropped(n)} <= set(written) <= set(state)
    assert all(torch.equal(written[n], state[n]) for n in written if not dropped(n))


def test_the_recorded_tables_are_written_to_the_last_bit(recorded):
    found = recorded("mvd_public")
    state = found.under("sd.student.")
    assert same(mvd.write(mvd.read(state), TokenGrid(8, 3, 3)), state)
    state = found.under("sd.image_teacher.")
    assert same(mae.write(mae.read(state), TokenGrid(1, 3, 3)), state)


@pytest.fixture
def build(tmp_path):
    """A tiny method of this kit with whatever teachers it asks for."""

    def teacher(name: str) -> str:
        checkpoints.save(tmp_path / name, methods.create(name, **SMALL), name=name, options=SMALL)
        return f"run:{tmp_path / name}"

    def make(name: str, **options):
        torch.manual_seed(0)
        roles = {
            "mvd": {"image_teacher": "mae", "video_teacher": "videomae"},
            "amd": {"video_teacher": "videomae"},
            "maskagain": {"video_teacher": "videomae"},
        }
        more = {role: teacher(kind) for role, kind in roles.get(name, {}).items()}
        if name == "umt":
            more = {"tubelet": 1, "clip_teacher": teacher("clip_frames")}
        return methods.create(name, **{**SMALL, **more, **options})

    return make


def read_back(kind: str, state):
    layouts = {"videomae": videomae, "mvd": mvd, "amd": amd, "maskagain": maskagain, "umt": umt, "mae": mae}
    return layouts[kind].read(state)


@pytest.mark.parametrize("kind", ["videomae", "mvd", "amd", "maskagain", "umt", "mae"])
def test_a_method_is_written_whole_and_its_encoder_opens_again_without_being_told_anything(build, tmp_path, kind):
    method, path = build(kind), tmp_path / "a.pth"
    assert checkpoints.export(method, path, kind=kind) == path
    back = read_back(kind, open_weights(path).state)
    own = method.state_dict()
    assert all(torch.equal(back[name], own[name]) for name in own if name in back)
    lost = set(own) - set(back)  # generators' tokens are in no official file; they are not trained either
    assert all(name.endswith("mask_token") and name.startswith("generators.") for name in lost), lost

    # umt files are bare, as their loaders want them, and cannot say heads and grid.
    said = {"heads": 4, "frames": 4, "image": 24} if kind == "umt" else {}
    encoder, report = checkpoints.load(path, **said)
    clips = torch.rand(1, 3, method.encoder.grid.t * method.encoder.tubelet, 24, 24)
    with torch.no_grad():
        assert torch.allclose(encoder(clips).tokens, method.encoder.eval()(clips).tokens, atol=1e-6)
    assert not report.missing and not report.unexpected


def test_the_visual_part_of_a_caption_run_is_a_clip_file(build, tmp_path):
    method = build("clip_frames")
    checkpoints.export(method, tmp_path / "a.pth", kind="clip")
    state = open_weights(tmp_path / "a.pth").state
    assert same(clip.read(state), method.encoder.state_dict()) and state["conv1.weight"].ndim == 4
    encoder, _ = checkpoints.load(state, heads=4)
    assert encoder.config["out_width"] == method.encoder.out_width


@pytest.mark.parametrize("kind", ["videomae", "amd", "maskagain", "mvd", "umt"])
def test_classifiers_are_written_in_the_fine_tuning_layout(tuned, tmp_path, kind):
    state = tuned(tubelet=1 if kind == "umt" else 2)
    model, _ = checkpoints.load(state, kind, frames=4, image=(16, 24), heads=3)
    checkpoints.export(model, tmp_path / "a.pth", kind=kind)
    found = dict(open_weights(tmp_path / "a.pth").state)
    if kind == "umt":  # its table is in the file where it is not of 8x14x14 tokens
        assert torch.equal(found.pop("pos_embed")[0], model.encoder.pos_embed)
    assert same(found, state)


def test_a_classifier_of_mae_keeps_its_trained_table(tmp_path):
    encoder = VideoViT(
        TokenGrid(1, 2, 3),
        tubelet=1,
        patch=8,
        width=48,
        depth=1,
        heads=3,
        final_norm=False,
        class_token=True,
        key_bias=True,
        position="learned",
    )
    model = VideoClassifier(encoder, 5)
    checkpoints.export(model, tmp_path / "a.pth", kind="mae")
    state = open_weights(tmp_path / "a.pth").state
    assert state["pos_embed"].shape == (1, 7, 48) and state["blocks.0.attn.qkv.bias"].shape == (144,)
    back, report = checkpoints.load(tmp_path / "a.pth")
    assert same(back.state_dict(), model.state_dict()) and not report.left_out


def vit(**more) -> VideoViT:
    return VideoViT(TokenGrid(2, 3, 3), **{"patch": 8, "width": 48, "depth": 2, "heads": 3, **more})


def test_a_model_that_the_official_code_would_compute_otherwise_is_not_written(tmp_path):
    for model, kind, why in (
        (vit(position="sincos_3d"), "videomae", "position='sincos_3d'.*read with 'sincos_1d'"),
        (vit(position="blocked_3d"), "videomae", "position='blocked_3d'"),
        (vit(), "mvd", "position='sincos_1d'.*'blocked_3d'"),
        (vit(position="learned"), "mvd", "position='learned'.*'blocked_3d'"),
        (vit(class_token=True), "videomae", "class_token=True"),
        (vit(), "clip", "class_token=False"),
        (vit(), "umt", "cannot be of kind 'umt'"),
        (VideoClassifier(vit(final_norm=False, tubelet=1), 2), "videomae", "steps of 1 says 'umt'"),
        (torch.nn.Linear(2, 2), "videomae", "no encoder to write"),
        (vit(), "vmae", "unknown kind"),
    ):
        with pytest.raises(CheckpointError, match=why):
            checkpoints.export(model, tmp_path / "a.pth", kind=kind)
    assert not list(tmp_path.iterdir())


def test_a_method_is_not_written_as_another(build, tmp_path):
    with pytest.raises(CheckpointError, match="cannot be of kind 'videomae'"):
        checkpoints.export(build("amd"), tmp_path / "a.pth", kind="videomae")
    with pytest.raises(CheckpointError, match=r"no place for: decoder\.mask_token"):
        checkpoints.export(build("videomae"), tmp_path / "a.pth", kind="maskagain")


def test_what_was_trained_and_has_no_official_name_is_not_lost_without_a_word(build, tmp_path):
    method = build("amd", learn_generator_tokens=True)
    with pytest.raises(CheckpointError, match=r"no place for generators\.0\.mask_token.*which were trained"):
        checkpoints.export(method, tmp_path / "a.pth", kind="amd")


def test_an_interpolated_table_is_written_and_not_the_old_one(recorded, tmp_path):
    state = recorded("mvd_public").under("sd.image_teacher.")
    encoder, _ = checkpoints.load(state, image=(16, 40), heads=4, resize_positions=True)
    with pytest.raises(CheckpointError, match=r"pos_embed is \(1, 11, 40\) here and \(1, 10, 40\)"):
        checkpoints.export(encoder, tmp_path / "a.pth", kind="mae", like=state)
    checkpoints.export(encoder, tmp_path / "a.pth", kind="mae")
    back, _ = checkpoints.load(tmp_path / "a.pth")
    assert same(back.state_dict(), encoder.state_dict()) and back.grid == encoder.grid


def test_a_file_of_another_size_is_no_pattern_to_write_like(tuned, tmp_path):
    model, _ = checkpoints.load(tuned(), "mvd", frames=4, image=16, heads=3)
    with pytest.raises(CheckpointError, match=r"is \(48, 3, 2, 8, 8\) here and \(32, 3, 2, 8, 8\) in `like`"):
        checkpoints.export(model, tmp_path / "a.pth", kind="mvd", like=tuned(width=32))


def test_reading_and_writing_fine_tuning_names_are_inverse(tuned):
    assert same(finetuned.write(finetuned.read(tuned())), tuned())
