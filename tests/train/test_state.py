"""Checkpoints: whole, checked, the last ones and the best."""

import json

import pytest
import torch

import mvkit
from mvkit import methods
from mvkit.errors import CheckpointError, OptionError
from mvkit.train import RunSpec, state
from tests.train.clips import losses, source

SPEC = RunSpec(
    options={"size": "tiny", "patch": 8, "ratio": 0.75}, frames=4, image=16, steps=6, batch=4, lr=0.03, log_every=1,
    checkpoint_every=2, device="cpu", precision="fp32", keep=3,
)  # fmt: skip


def but(**changes) -> RunSpec:
    return SPEC.model_copy(update=changes)


@pytest.mark.parametrize("name", ["model.safetensors", "training.pt", "config.json"])
def test_one_flipped_bit_is_found_and_the_checkpoint_before_is_used(tmp_path, name):
    whole = losses(mvkit.fit(SPEC, source, out=tmp_path))
    newest = state.found(tmp_path / "checkpoint")[-1]
    data = bytearray((newest / name).read_bytes())
    data[len(data) // 2] ^= 1
    (newest / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{name} is not what was written"):
        state.verify(newest)
    with pytest.warns(UserWarning, match=f"step_000006 cannot be read, trying the one before.*{name}"):
        again = mvkit.fit(SPEC, source, out=tmp_path)
    assert losses(again) == whole
    state.verify(state.found(tmp_path / "checkpoint")[-1])


def test_a_file_that_is_missing_is_named(tmp_path):
    mvkit.fit(but(steps=1), source, out=tmp_path)
    (newest,) = state.found(tmp_path / "checkpoint")
    (newest / "training.pt").unlink()
    with pytest.raises(CheckpointError, match=r"training\.pt is missing"):
        state.verify(newest)


def test_the_best_checkpoint_stays_beside_the_last(tmp_path):
    scores = iter([0.1, 0.9, 0.3, 0.2])

    spec = but(monitor_every=2, best="knn/shape", keep=1)
    mvkit.fit(spec, source, out=tmp_path, monitor=lambda method: {"knn/shape": next(scores)})
    assert [path.name for path in state.found(tmp_path / "checkpoint")] == ["step_000002", "step_000006"]
    assert state.best(tmp_path / "checkpoint") == {"step": 2, "name": "knn/shape", "score": 0.9}


def test_a_best_that_nobody_measures_is_refused(tmp_path):
    with pytest.raises(OptionError, match="best='knn/shape' is no score of the monitor; it gives other"):
        mvkit.fit(but(monitor_every=2, best="knn/shape"), source, out=tmp_path, monitor=lambda method: {"other": 1.0})
    with pytest.raises(OptionError, match="needs monitor_every above 0"):
        RunSpec(best="knn/shape")


def test_the_running_mean_is_watched_saved_beside_and_goes_on_to_the_bit(tmp_path):
    spec, seen = but(ema=0.5, monitor_every=6), []

    def monitor(method):
        seen.append(method.head.weight.detach().clone())
        return {"norm": float(seen[-1].norm())}

    run = mvkit.fit(spec, source, out=tmp_path / "whole", monitor=monitor)
    mean, report = methods.load(tmp_path / "whole" / "checkpoint" / "step_000006" / "ema")
    assert not report.missing and torch.equal(mean.head.weight, seen[-1])
    assert torch.equal(run.method.head.weight, seen[-2]) and not torch.equal(seen[-1], seen[-2])
    assert set(run.journal.lines[-1]) == {"step", "monitor/norm", "monitor/ema/norm"}

    def stop(line):
        if line["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mvkit.fit(spec, source, out=tmp_path / "cut", monitor=monitor, progress=stop)
    mvkit.fit(spec, source, out=tmp_path / "cut", monitor=monitor)
    again, _ = methods.load(tmp_path / "cut" / "checkpoint" / "step_000006" / "ema")
    assert all(torch.equal(a, b) for a, b in zip(mean.state_dict().values(), again.state_dict().values(), strict=True))


def test_a_run_goes_on_with_another_time_limit_but_not_with_another_rate(tmp_path):
    mvkit.fit(but(steps=1), source, out=tmp_path)
    mvkit.fit(but(steps=1, time_limit=3600.0, timeout=5.0), source, out=tmp_path)
    with pytest.raises(mvkit.errors.RunError, match=r"other settings \(lr\)"):
        mvkit.fit(but(steps=1, lr=1.0), source, out=tmp_path)


def test_every_checkpoint_lists_all_its_files(tmp_path):
    mvkit.fit(but(steps=1), source, out=tmp_path)
    (newest,) = state.found(tmp_path / "checkpoint")
    listed = json.loads((newest / "sha256.json").read_text())
    assert sorted(listed) == ["config.json", "model.safetensors", "training.pt"]
