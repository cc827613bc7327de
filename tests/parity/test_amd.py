import shutil

import pytest
from safetensors.torch import load_file, save_file

from mvkit import parity

NAME = "amd_public"


@pytest.fixture
def recording(recordings, tmp_path):
    for suffix in (".safetensors", ".json"):
        shutil.copy(recordings / f"{NAME}{suffix}", tmp_path)
    return tmp_path


def test_every_recorded_group_of_the_official_step_is_reproduced(recording):
    results = list(parity.check(recording))
    assert [r.line() for r in results if not r.passed] == []
    groups = {r.group for r in results}
    assert {"out.student_gen.1", "out.teacher_dir.0", "mid.generator_in.1", "loss.total", "grad.total_norm"} <= groups
    assert {"mask_from_seed.student", "variants.1.total", "trajectory.2.total", "after3.mask_token"} <= groups


@pytest.mark.parametrize(
    "name",
    [
        "mid.teacher_tokens_in",
        "out.student_dir.0",
        "out.teacher_gen.1",
        "out.pixel_target",
        "loss.generation.1",
        "grad.encoder.projection_heads.0.weight",
        "after3.decoder.head.weight",
        "aux.pos_table_generator",
    ],
)
def test_an_error_of_a_thousandth_in_one_expected_value_fails_its_group(recording, name):
    path = recording / f"{NAME}.safetensors"
    tensors = load_file(path)
    tensors[name].view(-1)[0] += 1e-3
    save_file(tensors, path)
    assert [r.group for r in parity.check(recording) if not r.passed] == [name]
