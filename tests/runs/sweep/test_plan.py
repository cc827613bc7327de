"""Plans: which runs there are, which go first, how they stand, what they will take."""

import json
from pathlib import Path

import pytest

from mvkit.errors import OptionError
from mvkit.runs import RunFolder
from mvkit.runs import notebook as notebooks
from mvkit.runs.folder import RunLock
from mvkit.runs.status import Status
from mvkit.runs.sweep import plan as planning
from mvkit.runs.sweep.cost import costs, duration, total
from mvkit.runs.sweep.plan import Plan
from mvkit.runs.sweep.sheet import read_sheet
from mvkit.runs.sweep.standing import standings

PAIR = """
name: pair
runs:
  - notebook: learn
    grid: {seed: [0, 1]}
    parameters:
      teacher: run:{notebook: teach, ratio: 0.9, seed: ${seed}}
  - notebook: teach
    grid: {seed: 0..1, ratio: [0.75, 9e-1]}
"""


def make(project, text=PAIR, **options) -> Plan:
    (project / "sweep.yaml").write_text(text)
    name, entries = read_sheet(project / "sweep.yaml")
    return Plan.make(entries, name=name, stem="sweep", **options)


def end(folder: RunFolder, state: str, **more) -> None:
    folder.prepare({})
    Status(folder, notebook="x.ipynb", runner="mvkit run").end(state, **more)


def of(plan: Plan, notebook: str, **values):
    (found,) = [
        run
        for run in plan.runs.values()
        if run.notebook.stem == notebook and all(run.values[name] == value for name, value in values.items())
    ]
    return found


def test_a_teacher_named_by_its_parameters_is_found_and_goes_first(project):
    plan = make(project)
    assert len(plan.runs) == 6
    for seed in (0, 1):
        teacher, student = of(plan, "teach", seed=seed, ratio=0.9), of(plan, "learn", seed=seed)
        assert student.needs == (teacher.name,)
        assert student.values["teacher"] == f"run:reports/{teacher.name}"
        order = list(plan.runs)
        assert order.index(teacher.name) < order.index(student.name)
        assert student.folder == RunFolder.of(student.notebook, student.values)
    assert plan.differing() == ["ratio", "seed", "teacher"]


def test_with_another_reports_folder_a_teacher_is_named_by_its_whole_path(project, tmp_path_factory):
    out = tmp_path_factory.mktemp("elsewhere")
    student = of(make(project, out=out), "learn", seed=0)
    assert Path(student.values["teacher"].removeprefix("run:")).parent == out / "teach"


def test_a_teacher_that_no_entry_asks_for_is_planned_with_the_notebooks_defaults(project):
    plan = make(project, "notebook: learn\nparameters:\n  teacher: run:{notebook: teach, rate: 1e-4}")
    teacher, student = plan.runs.values()
    assert (teacher.notebook.stem, teacher.values["rate"], teacher.values["ratio"]) == ("teach", 1e-4, 0.5)
    assert student.needs == (teacher.name,)


def test_a_teacher_may_have_a_teacher(project):
    inner = "run:{notebook: teach, seed: 3, teacher: run:{notebook: teach, seed: 4}}"
    plan = make(project, f"notebook: learn\nparameters:\n  teacher: {inner}")
    assert [(run.notebook.stem, run.values["seed"]) for run in plan.runs.values()] == [
        ("teach", 4),
        ("teach", 3),
        ("learn", 0),
    ]


def test_runs_asked_for_twice_are_one(project):
    plan = make(project, "runs:\n  - {notebook: teach, grid: {seed: [1, 2]}}\n  - {notebook: teach, list: [{seed: 2}]}")
    assert len(plan.runs) == 2


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ("run:{notebook: teach, seed: 5}", "is no run of this sweep with seed=5"),
        ("run:{notebook: teach, seed: 0}", "is 2 runs of this sweep; say also ratio"),
        ("run:{notebook: teach, sede: 0}", "unknown parameter 'sede'; did you mean 'seed'"),
        ("run:{notebook: teach, seed: x}", "parameter 'seed' wants int"),
        ("run:{notebook: teach, seed: ${sede}}", "is no parameter of the run that refers"),
        ("run:{notebook: teech, seed: 0}", "no notebook 'teech'"),
    ],
)
def test_a_reference_to_no_run_or_to_several_is_refused_with_the_place(project, teacher, said):
    text = f"""runs:
  - notebook: teach
    grid: {{seed: [0], ratio: [0.75, 0.9]}}
  - notebook: learn
    parameters:
      teacher: {teacher}
"""
    with pytest.raises(OptionError, match=rf"sweep\.yaml:4: parameter 'teacher': .*{said}"):
        make(project, text)


def test_runs_that_wait_for_each_other_are_refused(project):
    text = """runs:
  - {notebook: teach, parameters: {teacher: "run:{notebook: learn, seed: 0}"}}
  - {notebook: learn, parameters: {teacher: "run:{notebook: teach, seed: 0}"}}
"""
    with pytest.raises(OptionError, match="wait for each other"):
        make(project, text)


def test_a_sweep_without_a_name_is_named_by_what_was_asked_not_by_the_code(project, monkeypatch):
    text = PAIR.replace("name: pair\n", "")
    before = make(project, text)
    assert before.name.startswith("sweep-")
    monkeypatch.setattr("mvkit.runs.folder.code_hash", lambda: "other code")
    after = make(project, text)
    assert after.name == before.name
    assert set(after.runs).isdisjoint(before.runs)
    assert make(project, text.replace("0.75", "0.7")).name != before.name
    with pytest.raises(OptionError, match="a sweep's name is"):
        make(project, PAIR.replace("name: pair", "name: ../pair"))


def test_files_that_parameters_name_are_looked_at_once_each(project, make_notebook, monkeypatch):
    make_notebook(project, "1", name="reads", parameters='seed: int = 0\nwhere: str = ""  # a list <file>')
    (project / "a.csv").touch()
    looked = []
    monkeypatch.setitem(planning.Parameters.look.__globals__["CHECKS"], "file", looked.append)
    make(project, "notebook: reads\ngrid: {seed: 0..9, where: [a.csv, b.csv]}")
    assert sorted(path.name for path in looked) == ["a.csv", "b.csv"]
    monkeypatch.undo()
    monkeypatch.chdir(project)
    with pytest.raises(OptionError, match=r"sweep\.yaml:1: parameter 'where' .*b\.csv: no such file"):
        make(project, "notebook: reads\ngrid: {seed: 0..9, where: [a.csv, b.csv]}")


def test_a_thousand_runs_read_each_notebook_once_and_few_files_more_than_there_are_runs(project, monkeypatch):
    reads = []
    read = Path.read_text

    def counted(path: Path, *args, **kwargs):
        reads.append(path.name)
        return read(path, *args, **kwargs)

    notebooks.code_hash()
    monkeypatch.setattr(Path, "read_text", counted)
    plan = make(project, PAIR.replace("[0, 1]", "0..499").replace("0..1", "0..499").replace("0.75, ", ""))
    assert len(plan.runs) == 1000
    assert reads.count("sweep.yaml") == 1
    # Once for its parameters and once for the hash in each run's name.
    assert reads.count("teach.ipynb") <= 502
    reads.clear()
    standings(plan)
    assert len(reads) <= 2 * len(plan.runs)


def test_standings_say_what_is_done_runs_waits_and_is_skipped(project):
    plan = make(project)
    teachers = [of(plan, "teach", seed=seed, ratio=0.9) for seed in (0, 1)]
    states = standings(plan)
    assert [states[one.name].state for one in teachers] == ["open", "open"]
    assert states[of(plan, "learn", seed=0).name].state == "waiting"
    end(teachers[0].folder, "done")
    end(teachers[1].folder, "failed", kind="exception", cause="ValueError: no")
    states = standings(plan)
    assert states[of(plan, "learn", seed=0).name].state == "open"
    skipped = states[of(plan, "learn", seed=1).name]
    assert (skipped.state, skipped.cause) == ("skipped", f"needs {teachers[1].name}, failed: ValueError: no")
    again = standings(plan, retry_failed=True)
    assert again[teachers[1].name].state == "open"
    assert again[skipped.run.name].state == "waiting"


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("failed", "timeout"),
        ("failed", "kernel"),
        ("failed", "memory"),
        ("killed", "kernel"),
        ("killed", "runner"),
        ("interrupted", "interrupted"),
    ],
)
def test_a_run_that_did_not_raise_is_open_and_goes_on_from_its_checkpoint(project, state, kind):
    plan = make(project, "notebook: teach")
    (run,) = plan.runs.values()
    end(run.folder, state, kind=kind, cause="gone")
    one = standings(plan)[run.name]
    assert (one.state, one.cause, one.resumes) == ("open", "gone", False)
    (run.folder.checkpoint / "step.bin").touch()
    assert standings(plan)[run.name].resumes


def test_a_run_that_somebody_holds_is_running(project):
    plan = make(project, "notebook: teach")
    (run,) = plan.runs.values()
    run.folder.prepare({})
    with RunLock(run.folder).take():
        Status(run.folder, notebook="x", runner="mvkit run").write(state="running")
        assert standings(plan)[run.name].state == "running"
    assert standings(plan)[run.name].state == "open"


def test_cost_is_the_median_of_done_runs_of_the_same_notebook(project):
    plan = make(project)
    done = [run for run in plan.runs.values() if run.notebook.stem == "teach"][:3]
    for run, seconds in zip(done, (10.0, 20.0, 90.0), strict=True):
        end(run.folder, "done")
        status = json.loads(run.folder.status.read_text())
        run.folder.status.write_text(json.dumps({**status, "seconds": seconds}))
    rest = [run for run in plan.runs.values() if run not in done]
    teach, learn = sorted(costs(rest, plan.reports), key=lambda cost: cost.notebook, reverse=True)
    assert (teach.runs, teach.seconds, teach.of) == (1, 20.0, 3)
    assert "median of 3 done runs" in teach.line()
    assert (learn.seconds, total([teach, learn], 2)) == (None, None)
    assert total([teach], 2) == 10.0
    assert [duration(seconds) for seconds in (12, 200, 7200)] == ["12 s", "3.3 min", "2.0 h"]
