"""Training: exact resume, nothing lost, nothing learned from NaN."""

import os
import shutil
import signal
from types import SimpleNamespace

import pytest
import torch

import mvkit
from mvkit.errors import OptionError, RunError
from mvkit.train import RunSpec
from mvkit.train.journal import Journal
from mvkit.train.precision import choose_device, choose_precision
from mvkit.train.seed import derive
from tests.train.clips import losses, source

OPTIONS = {"size": "tiny", "patch": 8, "ratio": 0.75, "drop_path": 0.2}
SPEC = RunSpec(
    options=OPTIONS, frames=4, image=16, steps=6, batch=4, lr=0.03, log_every=1, checkpoint_every=2, device="cpu",
    precision="fp32", clip_grad=1.0,
)  # fmt: skip


def stop_after(step: int):
    def progress(line):
        if line["step"] == step and "loss" in line:
            raise KeyboardInterrupt

    return progress


def test_a_run_stopped_anywhere_and_called_again_ends_with_the_same_bits(tmp_path):
    whole = mvkit.fit(SPEC, source, out=tmp_path / "whole")
    for step in (1, 2, 3, 5):
        out = tmp_path / f"cut_{step}"
        with pytest.raises(KeyboardInterrupt):
            mvkit.fit(SPEC, source, out=out, progress=stop_after(step))
        torch.rand(3)  # whatever happens in between
        again = mvkit.fit(SPEC, source, out=out)
        assert losses(again) == losses(whole)
        for (name, a), b in zip(whole.method.state_dict().items(), again.method.state_dict().values(), strict=True):
            assert torch.equal(a, b), name


def test_ctrl_c_saves_the_step_in_hand_and_the_run_goes_on_from_there_with_the_same_bits(tmp_path):
    spec = SPEC.model_copy(update={"checkpoint_every": 0})
    whole = mvkit.fit(spec, source, out=tmp_path / "whole")

    def press(line):
        if line["step"] == 3 and "loss" in line:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 3"):
        mvkit.fit(spec, source, out=tmp_path / "cut", progress=press)
    assert signal.getsignal(signal.SIGINT) is before
    assert [path.name for path in (tmp_path / "cut" / "checkpoint").iterdir()] == ["step_000003"]
    assert losses(mvkit.fit(spec, source, out=tmp_path / "cut")) == losses(whole)


def test_a_finished_run_is_handed_back_without_training(tmp_path):
    first = mvkit.fit(SPEC, source, out=tmp_path)

    def never(first):
        raise AssertionError("a finished run needs no clips")

    again = mvkit.fit(SPEC, lambda first: iter(()), out=tmp_path)
    assert losses(again) == losses(first)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_with_a_warning(tmp_path):
    whole = mvkit.fit(SPEC, source, out=tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    newest = sorted((tmp_path / "b" / "checkpoint").iterdir())[-1]
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.warns(UserWarning, match="cannot be read, trying the one before"):
        again = mvkit.fit(SPEC, source, out=tmp_path / "b")
    assert losses(again) == losses(whole)


def test_other_settings_in_the_same_folder_are_refused_by_name(tmp_path):
    mvkit.fit(SPEC, source, out=tmp_path)
    with pytest.raises(RunError, match=r"other settings \(seed\)"):
        mvkit.fit(SPEC.model_copy(update={"seed": 1}), source, out=tmp_path)


def test_only_the_last_checkpoints_are_kept(tmp_path):
    mvkit.fit(SPEC, source, out=tmp_path)
    assert [path.name for path in sorted((tmp_path / "checkpoint").iterdir())] == ["step_000004", "step_000006"]


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(tmp_path):
    spec = SPEC.model_copy(update={"lr": 1e30, "clip_grad": None})
    with pytest.raises(
        RunError, match=r"step \d+: loss or gradient is not finite .* on clips \[0, 1, 2, 3\]"
    ) as caught:
        mvkit.fit(spec, source, out=tmp_path)
    assert "lower lr" in str(caught.value)
    kept = sorted((tmp_path / "checkpoint").iterdir())
    assert kept and (kept[-1] / "training.pt").exists()


def test_the_monitor_is_asked_at_both_ends_and_between_and_cannot_change_training():
    def monitor(method):
        torch.rand(7)
        return {"score": 0.5}

    spec = SPEC.model_copy(update={"monitor_every": 4})
    watched = mvkit.fit(spec, source, monitor=monitor)
    assert watched.journal.column("monitor/score") == ([0, 4, 6], [0.5, 0.5, 0.5])
    assert losses(watched) == losses(mvkit.fit(SPEC, source))


def test_who_looks_is_shown_the_method_at_the_monitored_steps_and_cannot_change_training():
    seen = []

    def look(step, method):
        torch.rand(7)
        seen.append((step, method.training))

    watched = mvkit.fit(SPEC.model_copy(update={"monitor_every": 4}), source, look=look)
    assert seen == [(0, False), (4, False), (6, False)]
    assert losses(watched) == losses(mvkit.fit(SPEC, source))


def test_replaced_files_are_in_the_journal():
    def broken(first):
        for batch in source(first):
            batch.replaced = [SimpleNamespace(path="bad.mp4", reason="cannot be opened")]
            yield batch

    run = mvkit.fit(SPEC.model_copy(update={"steps": 1}), broken)
    assert run.journal.column("replaced") == ([1], ["bad.mp4"])


def test_a_half_written_last_line_of_a_journal_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert Journal(path).lines == [{"step": 1, "loss": 2.0}]


def test_seeds_depend_on_every_word():
    seeds = {derive(0, "mask", 1), derive(0, "mask", 2), derive(1, "mask", 1), derive(0, "clips", 1)}
    assert len(seeds) == 4 and all(0 <= seed < 2**63 for seed in seeds)
    assert derive(3, "mask", 5) == 7883697813459039053


def test_a_device_this_machine_lacks_is_refused():
    with pytest.raises(OptionError, match="not one torch knows"):
        choose_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(OptionError, match="no CUDA device"):
            choose_device("cuda")
    assert choose_precision("fp32", torch.device("cpu")) == "fp32"


def test_watching_without_a_monitor_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(OptionError, match="monitor_every=2 needs a monitor"):
        mvkit.fit(SPEC.model_copy(update={"monitor_every": 2}), source, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_batch_in_parts_trains_as_the_whole_batch_does():
    spec = SPEC.model_copy(update={"options": {**OPTIONS, "drop_path": 0.0}})
    whole = losses(mvkit.fit(spec, source))
    parts = losses(mvkit.fit(spec.model_copy(update={"accumulate": 2}), source))
    assert parts == pytest.approx(whole, rel=1e-5)


def test_a_method_without_teachers_of_whole_clips_keeps_nothing(monkeypatch):
    def refuse(*_):
        raise AssertionError("nothing to keep")

    monkeypatch.setattr("mvkit.train.step.TargetCache", refuse)
    mvkit.fit(SPEC.model_copy(update={"teacher_cache": 1}), source)
