"""What the driver starts, retries, skips and waits for, at a place where runs end at once as they are told."""

import signal
from collections import Counter

import pytest

from mvkit.runs.folder import RunLock
from mvkit.runs.status import Status
from mvkit.runs.sweep import driver as driving
from mvkit.runs.sweep.driver import Driver
from mvkit.runs.sweep.flags import read_flags
from mvkit.runs.sweep.plan import Plan


class Stage:
    """A place: endings gives for each value of seed the ways its tries end, the last one for all further tries."""

    def __init__(self, room: int = 2, **endings: list[str]) -> None:
        self.limit, self.endings = room, endings
        self.started: list[str] = []
        self.tries: Counter[str] = Counter()
        self.under_way: dict[str, int | None] = {}
        self.on_start = self.on_stop = lambda: None
        self.stops = 0

    @property
    def room(self) -> int:
        return self.limit - len(self.under_way)

    def going(self) -> set[str]:
        return set(self.under_way)

    def start(self, runs) -> None:
        runs = list(runs)
        assert len(runs) <= self.room
        for run in runs:
            key = f"{run.notebook.stem}{run.values['seed']}"
            ways = self.endings.get(key, ["done"])
            kind = ways[min(self.tries[key], len(ways) - 1)]
            self.tries[key] += 1
            self.started.append(key)
            self.under_way[run.name] = {"refused": 2, "busy": 3}.get(kind)
            if kind not in ("refused", "busy"):
                run.folder.prepare({})
                states = {"done": "done", "runner": "killed", "kernel": "killed", "interrupted": "interrupted"}
                more = {} if kind == "done" else {"kind": kind, "cause": f"it was {kind}"}
                Status(run.folder, notebook="x", runner="mvkit run").end(states.get(kind, "failed"), **more)
        self.on_start()

    def ended(self) -> dict[str, int | None]:
        ended, self.under_way = self.under_way, {}
        return ended

    def stop(self, *, now: bool) -> str:
        self.stops += 1
        return "all stopped"

    def last_words(self, name: str) -> str:
        return "mvkit: no room"


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(driving, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(driving, "_ELSEWHERE_SECONDS", 0.0)


@pytest.fixture
def plan(project) -> Plan:
    """Two students, each of its own teacher."""
    reference = "teacher=run:{notebook: teach, seed: ${seed}}"
    return Plan.make([read_flags(project / "notebooks" / "learn.ipynb", grid=["seed=0,1"], fixed=[reference])])


def drive(plan: Plan, stage: Stage, **options) -> dict[str, tuple[str, str]]:
    stands = Driver(plan, stage, progress=False, **options).run()
    return {f"{one.run.notebook.stem}{one.run.values['seed']}": (one.state, one.cause) for one in stands.values()}


def test_teachers_go_before_their_students_and_no_more_run_than_there_is_room(plan):
    stage = Stage(room=1)
    assert set(drive(plan, stage).values()) == {("done", "")}
    assert stage.started.index("teach0") < stage.started.index("learn0")
    assert stage.started.index("teach1") < stage.started.index("learn1")
    assert len(stage.started) == 4


def test_a_second_call_starts_nothing_that_is_done(plan):
    drive(plan, Stage(learn1=["exception"]))
    again = Stage()
    assert drive(plan, again)["learn1"] == ("failed", "it was exception")
    assert again.started == []
    assert drive(plan, again, retry_failed=True)["learn1"] == ("done", "")
    assert again.started == ["learn1"]


def test_a_python_error_is_not_tried_again_and_its_students_are_skipped_with_the_cause(plan):
    stage = Stage(teach0=["exception"])
    found = drive(plan, stage)
    assert found["teach0"] == ("failed", "it was exception")
    assert found["learn0"][0] == "skipped"
    assert found["learn0"][1].endswith("failed: it was exception")
    assert found["learn1"] == ("done", "")
    assert stage.tries["teach0"] == 1


@pytest.mark.parametrize("kind", ["kernel", "runner", "memory", "timeout", "interrupted"])
def test_what_was_killed_or_ran_out_of_time_is_tried_again_so_often_and_no_oftener(plan, kind):
    stage = Stage(teach0=[kind, kind, "done"], teach1=[kind])
    found = drive(plan, stage, retries=2)
    assert found["teach0"] == found["learn0"] == ("done", "")
    assert found["teach1"] == ("failed", f"it was {kind} (tried 3 times)")
    assert found["learn1"][0] == "skipped"
    assert (stage.tries["teach0"], stage.tries["teach1"]) == (3, 3)


@pytest.mark.parametrize("kind", ["disk", "report"])
def test_a_full_disk_is_left_for_the_next_call(plan, kind):
    assert drive(plan, Stage(teach0=[kind]))["teach0"] == ("failed", f"it was {kind}")
    assert drive(plan, Stage())["teach0"] == ("done", "")


def test_a_process_that_refuses_says_why_whatever_an_earlier_status_says(plan):
    drive(plan, Stage(teach0=["kernel"]), retries=0)
    found = drive(plan, Stage(teach0=["refused"], teach1=["refused"]))
    assert found["teach0"] == ("failed", "it did not start: mvkit: no room")


def test_a_run_that_another_sweep_works_on_is_waited_for_and_not_started(plan):
    (teacher,) = [run for run in plan.runs.values() if run.notebook.stem == "teach" and run.values["seed"] == 0]
    teacher.folder.prepare({})
    stage = Stage()
    with RunLock(teacher.folder).take() as lock:
        status = Status(teacher.folder, notebook="x", runner="mvkit run")
        status.write(state="running")

        def others_end() -> None:
            if "learn1" in stage.started:
                status.end("done")
                lock.release()

        stage.on_start = others_end
        assert set(drive(plan, stage).values()) == {("done", "")}
    assert "teach0" not in stage.started
    assert stage.started[-1] == "learn0"


def test_teachers_that_another_sweep_has_done_since_the_plan_let_their_students_start(plan):
    stage = Stage()
    driver = Driver(plan, stage, progress=False)
    for run in plan.runs.values():
        if run.notebook.stem == "teach":
            run.folder.prepare({})
            Status(run.folder, notebook="x", runner="mvkit run").end("done")
    stands = driver.run().values()
    assert {(one.state, one.status["state"]) for one in stands} == {("done", "done")}
    assert sorted(stage.started) == ["learn0", "learn1"]


def test_losing_the_race_for_a_run_costs_no_try(plan):
    stage = Stage(teach0=["busy", "busy", "busy", "kernel", "done"])
    assert drive(plan, stage, retries=1)["learn0"] == ("done", "")


def test_a_run_that_another_sweep_gave_up_is_taken_over(plan):
    (teacher,) = [run for run in plan.runs.values() if run.notebook.stem == "teach" and run.values["seed"] == 0]
    teacher.folder.prepare({})
    stage = Stage()
    with RunLock(teacher.folder).take() as lock:
        Status(teacher.folder, notebook="x", runner="mvkit run").write(state="running")
        stage.on_start = lock.release
        assert set(drive(plan, stage).values()) == {("done", "")}
    assert stage.tries["teach0"] == 1


def test_ctrl_c_starts_nothing_more_lets_the_place_stop_and_leaves_the_rest_open(plan):
    stage = Stage(room=1, teach0=["interrupted"])
    stage.on_start = lambda: signal.raise_signal(signal.SIGINT)
    before = signal.getsignal(signal.SIGINT)
    driver = Driver(plan, stage, progress=False)
    states = [one.state for one in driver.run().values()]
    assert driver.stopped == "all stopped"
    assert (stage.started, stage.stops) == (["teach0"], 1)
    assert set(states) == {"open", "waiting"}
    assert signal.getsignal(signal.SIGINT) is before
    assert set(drive(plan, Stage()).values()) == {("done", "")}


def test_what_an_earlier_call_left_in_the_queue_is_followed_and_not_started_again(plan):
    teacher = next(run for run in plan.runs.values() if run.notebook.stem == "teach")
    stage = Stage(room=3)
    stage.start([teacher])
    found = drive(plan, stage)
    assert set(found.values()) == {("done", "")}
    assert len(stage.started) == 4


def test_the_line_counts_what_is_done_runs_and_waits(plan, capsys):
    Driver(plan, Stage(teach0=["exception"]), progress=True).run()
    said = capsys.readouterr().err.splitlines()
    assert "0/4 done" in said[0]
    assert "running 2  waiting 2" in said[0]
    assert "2/4 done" in said[-1]
    assert "failed 1  skipped 1" in said[-1]
