import shutil

import pytest
from safetensors.torch import load_file, save_file

from mvkit import parity

NAMES = ("maskagain_public", "maskagain_public_base")


@pytest.fixture
def recording(recordings, tmp_path):
    for name in NAMES:
        for suffix in (".safetensors", ".json"):
            shutil.copy(recordings / f"{name}{suffix}", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_group_of_the_official_step_is_reproduced(recording, name):
    results = [r for r in parity.check(recording) if r.fixture == name]
    assert [r.line() for r in results if not r.passed] == []
    groups = {r.group for r in results}
    assert {
        "hidden.local.student.agg",
        "relation.logp_student",
        "loss.total",
        "frame_ordered_local.loss.local",
    } <= groups
    assert {"hybrid_kdT2.5.loss.total", "onlymse_alpha0.loss.hint", "mask_from_seed"} <= groups


@pytest.mark.parametrize(
    "name",
    [
        "encoder.teacher.attn_logits",
        "hidden.global.student.agg_projected",
        "hidden.local.teacher.kept_mass",
        "output.student_aligned",
        "relation.p_teacher",
        "loss.hint",
        "grad.projector.Align_valuesum1_t.fc.weight",
    ],
)
def test_an_error_of_a_thousandth_in_one_expected_value_fails_its_group(recording, name):
    path = recording / f"{NAMES[0]}.safetensors"
    tensors = load_file(path)
    tensors[name].view(-1)[0] += 1e-3
    save_file(tensors, path)
    assert [r.group for r in parity.check(recording) if not r.passed] == [name]
