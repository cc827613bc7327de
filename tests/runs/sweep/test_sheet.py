"""Sweep files: several notebooks, every complaint with its line."""

import pytest

from mvkit.errors import OptionError
from mvkit.runs.sweep.reference import Reference
from mvkit.runs.sweep.sheet import read_sheet


def read(project, text):
    (project / "sweep.yaml").write_text(text)
    return read_sheet(project / "sweep.yaml")


def test_a_file_holds_a_name_and_several_notebooks_with_all_kinds_of_axes(project):
    name, (teach, learn) = read(
        project,
        """
name: pair
runs:
  - notebook: teach
    parameters: &shared {masker: random}
    grid: {seed: 0..1, layers: [[1, 2], [3]]}
    zip: {ratio: [0.1, 0.2, 0.3], rate: [1e-1, 1e-2, 1e-3]}
  - notebook: learn
    parameters: *shared
    list: [{seed: 1}, {seed: 2, ratio: 0.25}]
    random: {draws: 2, seed: 1, axes: {rate: log 1e-5..1e-3}}
""",
    )
    assert name == "pair"
    assert [entry.notebook.stem for entry in (teach, learn)] == ["teach", "learn"]
    assert len(list(teach.points())) == 2 * 2 * 3
    assert {point["masker"] for entry in (teach, learn) for point in entry.points()} == {"random"}
    assert [(p["seed"], p["ratio"]) for p in learn.points()] == [(1, 0.5), (1, 0.5), (2, 0.25), (2, 0.25)]
    assert learn.where == "sweep.yaml:8"


def test_one_notebook_needs_no_list(project):
    name, (entry,) = read(project, "notebook: teach\ngrid:\n  seed: [1, 2]\n")
    assert (name, len(list(entry.points()))) == ("", 2)


@pytest.mark.parametrize(
    "written",
    [
        "teacher: run:{notebook: teach, ratio: 0.9, seed: ${seed}}",
        "teacher: run:{notebook: teach, ratio: 0.9, seed: ${seed}}  # the same seed",
        "teacher: 'run:{notebook: teach, ratio: 0.9, seed: ${seed}}'",
        "teacher:\n      run:\n        notebook: teach\n        ratio: 0.9\n        seed: ${seed}",
    ],
)
def test_a_reference_may_be_written_bare_quoted_or_by_lines(project, written):
    _, (entry,) = read(project, f"notebook: learn\nparameters:\n    {written}\n")
    (point,) = entry.points()
    assert point["teacher"] == Reference("teach", {"ratio": "0.9", "seed": "${seed}"})
    assert entry.written["parameters"]["teacher"] == "run:{notebook: teach, ratio: 0.9, seed: ${seed}}"


def test_the_folder_of_a_run_is_no_reference(project):
    _, (entry,) = read(project, "notebook: learn\nparameters: {teacher: 'run:reports/teach/abc'}")
    assert next(entry.points())["teacher"] == "run:reports/teach/abc"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "sweep.yaml is empty"),
        ("runs: [", "sweep.yaml:1: not YAML"),
        ("runs: []", "sweep.yaml:1: no runs"),
        ("- notebook: teach", "sweep.yaml:1: a sweep wants a mapping"),
        ("grid: {seed: [1]}", "sweep.yaml:1: no `notebook:`"),
        ("notebook: teech", "sweep.yaml:1: no notebook 'teech'.*did you mean 'teach'"),
        ("notebook: teach\ngird: {}", "sweep.yaml:2: unknown key 'gird'; did you mean 'grid'"),
        ("runs:\n  - notebook: teach\njobs: 3", "sweep.yaml:3: unknown key 'jobs'"),
        ("notebook: teach\ngrid:\n  seed: [1]\n  sede: [2]", "sweep.yaml:4: .*unknown parameter 'sede'"),
        ("notebook: teach\ngrid:\n  seed: [1]\n  seed: [2]", "sweep.yaml:4: 'seed' is there twice"),
        ("notebook: teach\ngrid: {seed: 3, layers: [1, 2]}", "sweep.yaml:2: axis 'layers' wants lists"),
        ("notebook: teach\ngrid: {ratio: {low: 1}}", "sweep.yaml:2: axis 'ratio' wants a list"),
        ("notebook: teach\nparameters: {seed: [1, 2]}", "sweep.yaml:2: parameter 'seed' wants int"),
        ("notebook: teach\nlist: {seed: 1}", "sweep.yaml:2: list wants a list"),
        ("notebook: teach\nrandom: {axes: {ratio: 0.1..0.2}}", "sweep.yaml:2: random wants draws, axes"),
        ("notebook: teach\nrandom: {draws: many, axes: {ratio: 0.1..0.2}}", "sweep.yaml:2: draws wants a whole number"),
        ("notebook: teach\nparameters: {note: !!python/name:os.system ''}", "sweep.yaml:2: wanted a word"),
        ("notebook: learn\nparameters:\n  teacher: {rnu: {}}", "sweep.yaml:3: a mapping is no value"),
        ("notebook: learn\nparameters:\n  teacher: run:{ratio: 0.9}", "sweep.yaml:3: .*names no notebook"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(project, text, said):
    with pytest.raises(OptionError, match=said):
        read(project, text)


def test_a_file_that_is_not_there_is_named(project):
    with pytest.raises(OptionError, match=r"missing\.yaml cannot be read"):
        read_sheet(project / "missing.yaml")
