import pytest
import torch

from mvkit import checkpoints, methods
from mvkit.errors import CheckpointError, OptionError
from mvkit.models import VideoViT
from mvkit.models.timm_encoder import TimmEncoder
from mvkit.tokens import TokenGrid

OPTIONS = {"size": "tiny", "frames": 4, "image": 24, "patch": 8}


def test_a_run_is_a_teacher(tmp_path):
    method = methods.create("videomae", **OPTIONS)
    checkpoints.save(tmp_path, method, name="videomae", options=OPTIONS)
    teacher = checkpoints.open_teacher(f"run:{tmp_path}")
    assert teacher.encoder.grid == TokenGrid(2, 3, 3) and teacher.source == f"run:{tmp_path}"
    assert checkpoints.open_teacher(teacher) is teacher


def test_a_file_of_this_kits_export_needs_no_more_than_its_path(tmp_path):
    method, path = methods.create("videomae", **OPTIONS), tmp_path / "a.pth"
    checkpoints.export(method, path, kind="videomae")
    teacher = checkpoints.open_teacher(f"file:{path}")
    clips = torch.rand(1, 3, 4, 24, 24)
    assert torch.allclose(teacher(clips).tokens, method.encoder(clips).tokens, atol=1e-6)
    assert teacher.source == f"file:{path}"


def test_a_fine_tuned_file_teaches_with_its_encoder_once_its_kind_is_said(tuned, tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"module": tuned()}, path)
    with pytest.raises(CheckpointError, match="kind='mvd' or kind='videomae'"):
        checkpoints.open_teacher(f"file:{path}?heads=3")
    teacher = checkpoints.open_teacher(f"file:{path}?kind=mvd&heads=3&frames=4&image=[16,24]")
    assert isinstance(teacher.encoder, VideoViT) and teacher.encoder.grid == TokenGrid(2, 2, 3)
    assert teacher.encoder.config["position"] == "blocked_3d"


def test_an_image_file_teaches_frame_by_frame(recorded, tmp_path):
    path = tmp_path / "mae.pth"
    torch.save({"model": recorded("mvd_public").under("sd.image_teacher.")}, path)
    teacher = checkpoints.open_teacher(f"file:{path}?heads=4")
    found = teacher(recorded("mvd_public").clips("video"), steps=8, layers=(2,))
    assert torch.allclose(found.layers[2], recorded("mvd_public")["image_teacher_features"], atol=2e-5)
    resized = checkpoints.open_teacher(f"file:{path}?heads=4&image=16&resize_positions=true")
    assert resized.encoder.grid == TokenGrid(1, 2, 2)


def test_a_model_of_timm_is_a_teacher():
    said = "timm:vit_base_patch16_224.mae?pretrained=false&img_size=[32,48]&embed_dim=32&depth=2&num_heads=2"
    teacher = checkpoints.open_teacher(said)
    assert isinstance(teacher.encoder, TimmEncoder) and teacher.encoder.grid == TokenGrid(1, 2, 3)
    assert teacher.source == "timm:vit_base_patch16_224.mae" and teacher.per_frame
    assert teacher(torch.rand(2, 3, 4, 32, 48), steps=2).tokens.shape == (2, 12, 32)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("runs/a", "unknown source 'runs/a'.*known: file, run, timm; write it as run:<folder>, timm:<name>"),
        ("tim:vit", "did you mean 'timm'"),
        ("run:", "unknown source|write it as"),
        ("file:a.pth?kin=mvd", "unknown option 'kin'; did you mean 'kind'"),
        ("file:a.pth?classes=3", "unknown option 'classes'"),
    ],
)
def test_what_cannot_be_a_teacher_is_said_in_one_line(said, why):
    with pytest.raises(OptionError, match=why) as err:
        checkpoints.open_teacher(said)
    assert "\n" not in str(err.value)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(CheckpointError, match=r"nowhere\.pth does not exist"):
        checkpoints.open_teacher("file:nowhere.pth?kind=mvd")
