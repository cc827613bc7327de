import pytest

from mvkit.errors import OptionError
from mvkit.train import RunSpec


def test_a_spec_survives_its_file(tmp_path):
    spec = RunSpec(options={"size": "tiny", "ratio": 0.75}, steps=7, clip_grad=1.0)
    spec.write(tmp_path / "spec.json")
    assert RunSpec.read(tmp_path / "spec.json") == spec


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"step": 3}, "unknown option 'step'; did you mean 'steps'"),
        ({"steps": "many"}, "steps: .*got 'many'"),
        ({"steps": 2.5}, "steps: .*got 2.5"),
        ({"lr": -1.0}, "lr: .*greater than 0.*got -1.0"),
        ({"precision": "fp8"}, "precision: .*got 'fp8'"),
        ({"steps": 5, "warmup": 6}, "warmup of 6 steps is longer"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(values, said):
    with pytest.raises(OptionError, match=said) as caught:
        RunSpec(**values)
    assert "\n" not in str(caught.value)


def test_a_spec_cannot_be_changed():
    spec = RunSpec()
    with pytest.raises(ValueError, match="frozen"):
        spec.steps = 3


def test_the_rate_scales_with_the_batch_as_in_the_papers():
    spec = RunSpec(lr=1.5e-4, min_lr=1e-5, batch=1024)
    assert spec.effective_lr == pytest.approx(6e-4)
    assert spec.effective_min_lr == pytest.approx(4e-5)


@pytest.mark.parametrize("text", ["not json", "[1]"])
def test_a_file_that_is_no_spec_is_refused(tmp_path, text):
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(OptionError, match=r"s\.json"):
        RunSpec.read(path)
