import json
import shutil

import pytest
import torch
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


@pytest.mark.parametrize("name", ["relation.sim_student", "relation.sim_teacher", "relation.logp_student"])
def test_the_large_constant_of_a_row_and_itself_hides_no_error_of_the_other_rows(recording, name):
    change(recording, lambda tensors, _: tensors[name][2, 5].add_(1e-3))
    assert [r.group for r in parity.check(recording) if not r.passed] == [name]
    change(recording, lambda tensors, _: (tensors[name][2, 5].sub_(1e-3), tensors[name][2, 2].add_(1)))
    assert [r.group for r in parity.check(recording) if not r.passed] == [f"{name}.self"]


# Mode -> what it has no numbers for, besides what every edit below takes away.
ABSENT = {
    "hinTop": ("projector.Align_valuesum1",),
    "VTop": ("projector.Align_valuesum.", "projector.Align_valuesum_t."),
    "onlymse": ("projector.Align_value", "encoder.student.attn_logits", "encoder.teacher.attn_logits"),
    "onlymse_alpha0": ("projector.Align_value", "encoder.student.attn_logits", "relation."),
    "hybrid_kdT2.5": (),
}


@pytest.mark.parametrize("mode", ABSENT)
def test_a_recording_whose_own_setting_is_another_mode_is_checked(recording, mode):
    def edit(tensors, said):
        chosen = said["modes"].pop(mode)
        said["config"]["loss"].update(chosen["overrides"])
        said["losses"], said["modes"], said["not_from_official_code"] = chosen["losses"], {}, {}
        for name in [name for name in tensors if name.startswith(("hidden.", "grad.", "loss.", *ABSENT[mode]))]:
            del tensors[name]

    change(recording, edit)
    results = [r for r in parity.check(recording) if r.fixture == NAMES[0]]
    assert [r.line() for r in results if not r.passed] == []
    assert {"sidecar.loss.total", "encoder.student.features", "output.student_aligned"} <= {r.group for r in results}


def test_a_gradient_that_no_loss_reaches_may_be_written_as_zeros(recording):
    def edit(tensors, said):
        said["config"]["loss"]["distill"], said["losses"], said["modes"] = "hinTop", {}, {}
        for name in [name for name in tensors if name.startswith(("grad.", "loss."))]:
            del tensors[name]
        tensors["grad.projector.Align_valuesum1.fc.bias"] = torch.zeros(48)

    change(recording, edit)
    results = {r.group: r.passed for r in parity.check(recording) if r.fixture == NAMES[0]}
    assert results["grad.projector.Align_valuesum1.fc.bias"]
    change(recording, lambda tensors, _: tensors["grad.projector.Align_valuesum1.fc.bias"].add_(1e-3))
    results = {r.group: r.passed for r in parity.check(recording) if r.fixture == NAMES[0]}
    assert not results["grad.projector.Align_valuesum1.fc.bias"]


def test_a_mode_with_another_beta_keeps_its_hidden_term(recording):
    def edit(_, said):
        kept = {name: said["losses"][name] for name in ("hidden", "hint", "relation")}
        settings = said["config"]["loss"]
        total = settings["gamma"] * kept["hint"] + settings["alpha"] * kept["relation"]
        said["modes"] = {
            "none": {"overrides": {"beta": 0.0}, "losses": kept | {"total": total}},
            "twice": {"overrides": {"beta": 2.0}, "losses": kept | {"total": total + 2 * kept["hidden"]}},
        }

    change(recording, edit)
    results = list(parity.check(recording))
    assert [r.line() for r in results if not r.passed] == []
    assert {"none.loss.hidden", "twice.loss.total"} <= {r.group for r in results}


def change(folder, edit):
    path = folder / f"{NAMES[0]}.safetensors"
    tensors, said = load_file(path), json.loads(path.with_suffix(".json").read_text())
    edit(tensors, said)
    save_file(tensors, path)
    path.with_suffix(".json").write_text(json.dumps(said))
