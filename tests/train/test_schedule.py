import pytest

from mvkit.errors import OptionError
from mvkit.train.schedule import floored_cosine, warmup_cosine


def test_warm_up_starts_at_zero_reaches_the_base_twice_and_never_the_end():
    rates = [warmup_cosine(i, steps=20, base=1.0, low=0.1, warmup=5) for i in range(20)]
    assert rates[0] == 0 and rates[4] == 1.0 and rates[5] == 1.0
    assert rates[5:] == sorted(rates[5:], reverse=True) and rates[-1] > 0.1


def test_a_warm_up_longer_than_the_run_is_refused():
    with pytest.raises(OptionError, match="warm-up of 30 steps does not fit a run of 20"):
        warmup_cosine(0, steps=20, base=1.0, warmup=30)


def test_a_warm_up_can_start_above_zero_and_one_step_of_it_is_the_start():
    rates = [warmup_cosine(i, steps=9, base=1.0, warmup=4, start=0.1) for i in range(5)]
    assert rates == pytest.approx([0.1, 0.4, 0.7, 1.0, 1.0])
    assert [warmup_cosine(i, steps=3, base=1.0, warmup=1, start=0.1) for i in range(2)] == [0.1, 1.0]


def test_the_floored_cosine_is_cut_off_and_not_squeezed():
    factors = [floored_cosine(i, steps=12, warmup=2, floor=0.2) for i in range(13)]
    assert factors[:3] == [0.2, 0.5, 1.0] and factors[7] == pytest.approx(0.5)
    assert factors[-1] == 0.2 and factors[2:] == sorted(factors[2:], reverse=True)
    with pytest.raises(OptionError, match="does not fit"):
        floored_cosine(0, steps=2, warmup=3)
