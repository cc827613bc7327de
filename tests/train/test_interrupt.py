"""Stops from outside: saved, said, and gone on from."""

import os
import signal

import pytest

import mvkit
from mvkit.train import RunSpec, state
from mvkit.train.interrupt import REQUEUE, Interrupt, Requeue, stopped
from tests.train.clips import losses, source

SPEC = RunSpec(
    options={"size": "tiny", "patch": 8, "ratio": 0.75}, frames=4, image=16, steps=5, batch=4, lr=0.03, log_every=1,
    device="cpu", precision="fp32",
)  # fmt: skip


def test_sigterm_saves_the_step_in_hand_and_the_run_goes_on_with_the_same_bits(tmp_path):
    def press(line):
        if line["step"] == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Requeue, match="stopped after step 2 by SIGTERM, which is saved"):
        mvkit.fit(SPEC, source, out=tmp_path, progress=press)
    assert signal.getsignal(signal.SIGTERM) is before
    assert [path.name for path in state.found(tmp_path / "checkpoint")] == ["step_000002"]
    assert losses(mvkit.fit(SPEC, source, out=tmp_path)) == losses(mvkit.fit(SPEC, source))


def test_the_time_limit_saves_and_the_run_goes_on_without_one(tmp_path):
    spec = SPEC.model_copy(update={"time_limit": 1e-6})
    with pytest.raises(Requeue, match="stopped after step 1 by the time limit"):
        mvkit.fit(spec, source, out=tmp_path)
    assert losses(mvkit.fit(SPEC, source, out=tmp_path)) == losses(mvkit.fit(SPEC, source))


def test_the_last_step_needs_no_other_call():
    assert len(losses(mvkit.fit(SPEC.model_copy(update={"steps": 1, "time_limit": 1e-6}), source))) == 1


def test_a_repeated_sigterm_does_not_disturb_the_saving_but_a_second_ctrl_c_stops_at_once():
    with Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupt.asked == 2
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_only_a_stop_from_outside_asks_to_be_called_again():
    assert REQUEUE == os.EX_TEMPFAIL == 75
    assert isinstance(stopped(2, 3, True), Requeue) and isinstance(stopped(3, 3, True), Requeue)
    assert not isinstance(stopped(1, 3, True), Requeue)
    assert str(stopped(1, 3, False)) == "stopped after step 3 by Ctrl-C"
