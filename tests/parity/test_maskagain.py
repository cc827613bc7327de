import pytest
import torch

NAME = "maskagain_public"


@pytest.mark.parametrize("name", ["relation.sim_student", "relation.sim_teacher", "relation.logp_student"])
def test_the_large_constant_of_a_row_and_itself_hides_no_error_of_the_other_rows(recording, name):
    recording.change(lambda tensors, _: tensors[name][2, 5].add_(1e-3))
    assert recording.failed() == {name}
    recording.change(lambda tensors, _: (tensors[name][2, 5].sub_(1e-3), tensors[name][2, 2].add_(1)))
    assert recording.failed() == {f"{name}.self"}


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

    recording.change(edit)
    assert [r.line() for r in recording.failures()] == []
    assert {"sidecar.loss.total", "encoder.student.features", "output.student_aligned"} <= recording.results().keys()


def test_a_gradient_that_no_loss_reaches_may_be_written_as_zeros(recording):
    def edit(tensors, said):
        said["config"]["loss"]["distill"], said["losses"], said["modes"] = "hinTop", {}, {}
        for name in [name for name in tensors if name.startswith(("grad.", "loss."))]:
            del tensors[name]
        tensors["grad.projector.Align_valuesum1.fc.bias"] = torch.zeros(48)

    recording.change(edit)
    assert recording.results()["grad.projector.Align_valuesum1.fc.bias"].passed
    recording.change(lambda tensors, _: tensors["grad.projector.Align_valuesum1.fc.bias"].add_(1e-3))
    assert not recording.results()["grad.projector.Align_valuesum1.fc.bias"].passed


def test_a_mode_with_another_beta_keeps_its_hidden_term(recording):
    def edit(_, said):
        kept = {name: said["losses"][name] for name in ("hidden", "hint", "relation")}
        settings = said["config"]["loss"]
        total = settings["gamma"] * kept["hint"] + settings["alpha"] * kept["relation"]
        said["modes"] = {
            "none": {"overrides": {"beta": 0.0}, "losses": kept | {"total": total}},
            "twice": {"overrides": {"beta": 2.0}, "losses": kept | {"total": total + 2 * kept["hidden"]}},
        }

    recording.change(edit)
    assert [r.line() for r in recording.failures()] == []
    assert {"none.loss.hidden", "twice.loss.total"} <= recording.results().keys()
