import json

import pytest

from mvkit.errors import OptionError
from mvkit.train.schedule import warmup_cosine


def test_warm_up_starts_at_zero_reaches_the_base_twice_and_never_the_end():
    rates = [warmup_cosine(i, steps=20, base=1.0, low=0.1, warmup=5) for i in range(20)]
    assert rates[0] == 0 and rates[4] == 1.0 and rates[5] == 1.0
    assert rates[5:] == sorted(rates[5:], reverse=True) and rates[-1] > 0.1


def test_a_warm_up_longer_than_the_run_is_refused():
    with pytest.raises(OptionError, match="warm-up of 30 steps does not fit a run of 20"):
        warmup_cosine(0, steps=20, base=1.0, warmup=30)


def test_rates_equal_the_official_schedule(shared):
    said = json.loads((shared / "parity" / "videomae_aux_public.json").read_text())["cosine_scheduler"]
    steps, warmup = said["epochs"] * said["steps_per_epoch"], said["warmup_epochs"] * said["steps_per_epoch"]
    got = [warmup_cosine(i, steps=steps, base=said["base"], low=said["final"], warmup=warmup) for i in range(steps)]
    assert got == pytest.approx(said["values"], rel=1e-9, abs=1e-15)
