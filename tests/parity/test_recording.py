"""How far apart two numbers may be, and what a folder may hold."""

import math
import shutil

import pytest
import torch

from mvkit import parity
from mvkit.cli import call
from mvkit.parity._steps import step_slack
from mvkit.parity.recording import Recording
from mvkit.train.optim import adamw

NAME = "videomae_pretrain_public"


@pytest.fixture
def recorded(record):
    return lambda **said: Recording(record("videomae_pretrain_x", {"video": torch.zeros(1)}, config={}, **said).path)


def test_a_tolerance_is_never_wider_than_the_recording_suggests(recorded):
    amd = recorded(suggested_atol=2e-5, suggested_rtol=1e-6, suggested_rtol_losses=2e-6, suggested_rtol_gradients=1e-4)
    assert amd.tolerance("out.pixel_pred", 10.0) == pytest.approx(3e-5)
    assert amd.tolerance("loss.total", 10.0) == pytest.approx(4e-5)
    assert amd.tolerance("trajectory.1.total", 10.0) == pytest.approx(4e-5)
    assert amd.tolerance("grad.mask_token", 10.0) == pytest.approx(5e-5)  # not the 1e-3 that it suggests
    assert recorded(suggested_atol=1e-5, suggested_rtol=1e-4).tolerance("pred", 1.0) == pytest.approx(1.3e-5)
    assert recorded().tolerance("pred", 0.0) == 2e-5


def test_no_tolerance_in_the_recordings_here_hides_a_thousandth(recordings):
    wide = [r.line() for r in parity.check(recordings) if r.tolerance + r.difference >= 1e-3 and r.passed]
    # Beside itself a row has -1000 over the temperature, where float32 numbers lie a thousandth apart.
    assert [line for line in wide if "relation.logp_student.self" not in line] == []


def test_slack_is_for_single_values_and_nothing_hides_a_nan(recorded):
    recording, wanted = recorded(), torch.zeros(3)
    assert recording.compare("x", torch.tensor([0.0, 0.5, 0.0]), wanted, slack=torch.tensor([0.0, 0.5, 0.0])).passed
    assert not recording.compare("x", torch.tensor([0.5, 0.0, 0.0]), wanted, slack=torch.tensor([0.0, 0.5, 0.0])).passed
    assert not recording.compare("x", torch.tensor([math.nan, 0.0, 0.0]), wanted, slack=1.0).passed


def test_a_step_is_uncertain_where_the_gradient_is_as_small_as_rounding():
    module = torch.nn.Linear(3, 1, bias=False)
    optimiser = adamw([{"params": [module.weight]}])
    module.weight.grad = torch.tensor([[1.0, 1e-2, 1e-7]])
    optimiser.step()
    slack = step_slack(module, optimiser, rate=1e-3)["weight"][0]
    assert slack[0] < 1e-7 and slack[1] < 1e-5 and slack[2] == pytest.approx(2e-3)


def spoilt(capsys, folder):
    """Exit code, and the lines that are no success."""
    code = call(["parity", str(folder)])
    said = capsys.readouterr()
    return code, [line for line in (said.out + said.err).splitlines() if not line.startswith("PASS")]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        (f"{NAME}.json", None, f"{NAME}.json is missing"),
        (f"{NAME}.json", '{"config": ', f"{NAME}.json is not JSON"),
        (f"{NAME}.json", "[1]", f"{NAME}.json holds a list"),
        (f"{NAME}.json", "{}", "the recording does not say 'config'"),
        (f"{NAME}.safetensors", "cut", "SafetensorError"),
        ("videomae_aux_x.json", "{}", "no number was recorded that could be checked"),
    ],
)
def test_a_damaged_recording_is_one_clear_line_and_the_others_are_checked(recording, capsys, name, text, wanted):
    folder = recording.folder
    for suffix in (".safetensors", ".json"):
        shutil.copy(folder / f"{NAME}{suffix}", folder / f"videomae_pretrain_z{suffix}")
    (folder / name).unlink(missing_ok=True)
    if text is not None:
        (folder / name).write_text(text)
    code, lines = spoilt(capsys, folder)
    assert code == 1 and len(lines) == 1 and wanted in lines[0] and lines[0].startswith("FAIL")
    others = list(parity.check(folder, only="videomae_pretrain_z"))
    assert others and all(r.passed and r.fixture == "videomae_pretrain_z" for r in others)


def test_a_missing_input_is_named(recording, capsys):
    recording.change(lambda tensors, _: tensors.pop("mask"))
    code, lines = spoilt(capsys, recording.folder)
    assert code == 1 and len(lines) == 1 and "tensor mask is missing" in lines[0]


def test_an_unknown_tensor_is_named(recording, capsys):
    recording.change(lambda tensors, _: tensors.update(new=torch.zeros(2)))
    code, lines = spoilt(capsys, recording.folder)
    assert code == 1 and len(lines) == 1 and "nothing reads tensor new" in lines[0]


def test_a_folder_with_nothing_in_it_and_one_that_is_not_there_are_said_to_be_so(tmp_path, capsys):
    code, lines = spoilt(capsys, tmp_path)
    assert code == 2 and len(lines) == 1 and "no recording in" in lines[0]
    code, lines = spoilt(capsys, tmp_path / "absent")
    assert code == 2 and len(lines) == 1 and "does not exist" in lines[0]
