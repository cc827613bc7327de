"""Axes: which points they give, and that a value arrives as its parameter declares it, whatever the entrance."""

import pytest

from mvkit.errors import OptionError
from mvkit.runs import Parameters
from mvkit.runs.sweep.axes import Spread, draws, multiplied
from mvkit.runs.sweep.flags import read_flags
from mvkit.runs.sweep.said import Said, axis
from mvkit.runs.sweep.sheet import read_sheet


def points(project, *names, **flags) -> list[tuple]:
    entry = read_flags(project / "notebooks" / "teach.ipynb", **flags)
    return [tuple(point[name] for name in names) for point in entry.points()]


def test_a_grid_crosses_its_axes_and_the_last_changes_fastest(project):
    found = points(project, "ratio", "seed", "masker", grid=["ratio=0.75,9e-1", "seed=0..1"], fixed=["masker=random"])
    assert found == [(0.75, 0, "random"), (0.75, 1, "random"), (0.9, 0, "random"), (0.9, 1, "random")]


def test_zip_puts_values_side_by_side_and_multiplies_with_the_grid(project):
    found = points(project, "masker", "rate", "seed", beside=["masker=tube,random", "rate=1e-4,2"], grid=["seed=3,5"])
    assert found == [("tube", 1e-4, 3), ("random", 2.0, 3), ("tube", 1e-4, 5), ("random", 2.0, 5)]
    with pytest.raises(
        OptionError, match=r"-z masker: axes that go side by side must be equally long.*masker 2, rate 1"
    ):
        points(project, beside=["masker=tube,random", "rate=1"])


def test_points_one_by_one_may_name_different_parameters(project):
    assert points(project, "ratio", "seed", points=["ratio=0.3,seed=2", "seed=7"]) == [(0.3, 2), (0.5, 7)]


def test_without_axes_there_is_one_run(project):
    assert points(project, "seed", fixed=["seed=4"]) == [(4,)]


def test_draws_repeat_with_their_seed_grow_at_the_end_and_ignore_other_axes(project):
    flags = {"drawn": ["ratio=0.1..0.9", "rate=log 1e-5..1e-1", "seed=1..9", "masker=tube,random"], "seed": 3}
    few = points(project, "ratio", "rate", "seed", "masker", **flags, draws=5)
    many = points(project, "ratio", "rate", "seed", "masker", **flags, draws=200)
    assert many[:5] == few
    assert [one[:1] for one in few] == points(project, "ratio", drawn=["ratio=0.1..0.9"], draws=5, seed=3)
    assert few != points(project, "ratio", "rate", "seed", "masker", **{**flags, "seed": 4}, draws=5)
    ratios, rates, seeds, maskers = zip(*many, strict=True)
    assert all(0.1 <= ratio <= 0.9 for ratio in ratios)
    assert all(float(f"{ratio:.4g}") == ratio for ratio in ratios)
    assert 60 < sum(rate < 1e-3 for rate in rates) < 140  # half of the decades
    assert set(seeds) == set(range(1, 10))
    assert all(type(seed) is int for seed in seeds)
    assert set(maskers) == {"tube", "random"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"grid": ["ratoi=0.5"]}, "-g ratoi: .*unknown parameter 'ratoi'; did you mean 'ratio'"),
        ({"grid": ["ratio=0.5,1.5"]}, "-g ratio: parameter 'ratio' wants float .*got '1.5'"),
        ({"grid": ["seed=0,x"]}, "-g seed: parameter 'seed' wants int"),
        ({"grid": ["seed="]}, "-g seed: axis 'seed' wants a list of values"),
        ({"grid": ["seed=5..2"]}, "-g seed: .* is empty"),
        ({"grid": ["seed=0..99999"]}, "more than 20000"),
        ({"grid": ["layers=1,2"]}, "-g layers: axis 'layers' wants lists, each in brackets"),
        ({"grid": ["layers=[1,2"]}, "does not close"),
        ({"grid": ["seed=1"], "fixed": ["seed=2"]}, "parameter 'seed' is given twice, here and at -p seed"),
        ({"grid": ["seed=1", "seed=2"]}, "-g seed is given twice"),
        (
            {"grid": ["seed=0..999", "ratio=0.1,0.2,0.3,0.4,0.5,0.6,0.7", "rate=1,2,3"]},
            "21000 runs of teach, wanted at",
        ),
        ({"grid": ["seed"]}, "-g seed: wanted name=value"),
        ({"drawn": ["ratio=0.1..0.9"]}, "--draws"),
        ({"drawn": ["ratio=0.1..1.9"], "draws": 2}, "-r ratio: parameter 'ratio' wants float"),
        ({"drawn": ["rate=log 0..1"], "draws": 2}, "low < high above 0"),
        ({"drawn": ["masker=a..b"], "draws": 2}, "give a list of values"),
        ({"fixed": ["seed=run:{notebook: learn}"]}, "-p seed: parameter 'seed' wants int .* only a str can name one"),
    ],
)
def test_what_is_wrong_is_refused_naming_the_flag(project, flags, said):
    with pytest.raises(OptionError, match=said):
        points(project, **flags)


# What PyYAML alone, and papermill after it, make something else of. A text means what the declaration says.
TRAPS = [
    ("rate", "1e-4", 1e-4),
    ("rate", "3", 3.0),
    ("rate", "1_0.5", 10.5),
    ("flag", "no", False),
    ("flag", "off", False),
    ("flag", "yes", True),
    ("flag", "false", False),
    ("flag", "true", True),
    ("seed", "017", 17),
    ("seed", "1_000", 1000),
    ("note", "no", "no"),
    ("note", "off", "off"),
    ("note", "true", "true"),
    ("note", "1e-4", "1e-4"),
    ("note", "017", "017"),
    ("note", "1:30", "1:30"),
    ("note", "2024-01-01", "2024-01-01"),
    ("note", "null", None),
    ("note", "None", None),
    ("layers", "[1, 2]", [1, 2]),
    ("layers", "[]", []),
]


@pytest.mark.parametrize(("name", "text", "value"), TRAPS)
def test_yaml_and_flags_give_the_declared_type(project, name, text, value):
    sheet = project / "sweep.yaml"
    sheet.write_text(f"notebook: teach\nparameters:\n  {name}: {text}\n")
    in_axis = f"[{text}]"
    (project / "axis.yaml").write_text(f"notebook: teach\ngrid:\n  {name}: {in_axis}\n")
    asked = [read_sheet(sheet)[1][0], read_sheet(project / "axis.yaml")[1][0]]
    asked += [
        read_flags(project / "notebooks" / "teach.ipynb", **{key: [f"{name}={text}"]}) for key in ("fixed", "grid")
    ]
    for entry in asked:
        (point,) = entry.points()
        assert point[name] == value
        assert type(point[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("seed", "1.5"),
        ("seed", "0x10"),
        ("seed", "yes"),
        ("flag", "maybe"),
        ("rate", "1:30"),
        ("rate", ".nan"),
        ("rate", "~"),
    ],
)
def test_yaml_refuses_what_the_declaration_does_not_hold_naming_file_and_line(project, name, text):
    sheet = project / "sweep.yaml"
    sheet.write_text(f"notebook: teach\nparameters:\n  masker: tube\n  {name}: {text}\n")
    with pytest.raises(OptionError, match=rf"sweep\.yaml:4: parameter '{name}' wants"):
        read_sheet(sheet)


def test_python_values_stay_what_they_are():
    layers = Parameters.of_source("layers: list[int] = [1]\nrate: float = 0.5")
    assert axis(layers["layers"], Said([[1, 2], (3,)], "here")) == [[1, 2], [3]]
    assert axis(layers["rate"], Said([1, 0.25], "here")) == [1.0, 0.25]
    spread = Spread.read(layers["rate"], Said("1..2", "here"))
    assert list(multiplied([draws({"rate": spread}, 1, 0), [{"a": 1}, {"a": 2}]]))[1]["a"] == 2
