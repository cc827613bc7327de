import pytest
import torch

from mvkit import checkpoints
from mvkit.checkpoints.families import identify
from mvkit.errors import CheckpointError


@pytest.mark.parametrize(
    ("recording", "prefix", "kind"),
    [
        ("videomae_pretrain_public", "sd.", "videomae"),
        ("mvd_public", "sd.student.", "mvd"),
        ("mvd_public", "sd.image_teacher.", "mae"),
        ("mvd_public", "sd.video_teacher.", "videomae"),
        ("amd_public", "student.", "amd"),
        ("maskagain_public", "student.", "maskagain"),
        ("umt_stage1_public", "student.", "umt"),
        ("umt_stage1_public", "teacher.", "clip"),
    ],
)
def test_the_keys_of_a_recorded_model_tell_its_kind(recorded, recording, prefix, kind):
    assert identify(recorded(recording).under(prefix)) == kind


def test_every_kind_is_listed():
    assert checkpoints.kinds() == ("videomae", "amd", "maskagain", "mvd", "umt", "mae", "clip")


def test_a_fine_tuning_file_of_two_steps_is_not_guessed(tuned):
    with pytest.raises(CheckpointError, match=r"'videomae' or 'mvd'.*position tables.*kind='mvd' or kind='videomae'"):
        identify(tuned())
    for kind in ("videomae", "mvd", "amd", "maskagain"):
        assert identify(tuned(), kind) == kind


def test_steps_of_one_frame_are_umt_and_nothing_else(tuned):
    assert identify(tuned(tubelet=1)) == "umt"
    for kind in ("videomae", "mvd"):
        with pytest.raises(CheckpointError, match=f"cannot be of kind '{kind}'.*steps of 1 says 'umt'"):
            identify(tuned(tubelet=1), kind)
    with pytest.raises(CheckpointError, match="cannot be of kind 'umt'"):
        identify(tuned(), "umt")


def test_a_class_token_in_a_video_fine_tuning_file_is_of_mvd(tuned):
    assert identify(tuned(cls_token=torch.zeros(1, 1, 48))) == "mvd"


def test_a_stated_kind_that_the_keys_contradict_is_refused(recorded):
    state = recorded("mvd_public").under("sd.student.")
    with pytest.raises(CheckpointError, match=r"cannot be of kind 'videomae': 'down_img.bias' says 'mvd'"):
        identify(state, "videomae")
    with pytest.raises(CheckpointError, match="cannot be of kind 'mvd'"):
        identify(recorded("videomae_pretrain_public").under("sd."), "mvd")


def test_unknown_kinds_and_unknown_layouts_are_named():
    with pytest.raises(CheckpointError, match=r"unknown kind of weights 'mwd'; did you mean 'mvd'"):
        identify({}, "mwd")
    with pytest.raises(CheckpointError, match=r"no layout that is known.*layer1"):
        identify({"layer1.0.conv1.weight": torch.zeros(2, 2)})
