import pytest

from mvkit import methods
from mvkit.errors import OptionError
from mvkit.train import presets


@pytest.mark.parametrize("name", ["quick", "long"])
def test_a_preset_is_a_spec_whose_method_can_be_built(name):
    spec = presets.quickstart(name)
    method = methods.create(spec.method, **spec.method_options())
    assert method.encoder.grid.shape == (4, 8, 8)


def test_what_is_given_replaces_the_preset_and_zero_does_not():
    spec = presets.quickstart("quick", clips=10, steps=5, masker="random", ratio=0.5, seed=3)
    assert spec.data == {"clips": 10, "val": 2}
    assert (spec.steps, spec.warmup, spec.seed) == (5, 0, 3)
    assert (spec.options["masker"], spec.options["ratio"]) == ("random", 0.5)
    assert presets.quickstart("quick", clips=0, steps=0, ratio=0.0) == presets.quickstart()


def test_an_unknown_preset_is_refused():
    with pytest.raises(OptionError, match="unknown preset 'long_one'; did you mean 'long'"):
        presets.quickstart("long_one")
