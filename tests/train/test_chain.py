"""The embedded teachers: trained once, found afterwards, never another's."""

import multiprocessing
from pathlib import Path

import pytest
import torch

from mvkit import checkpoints, methods
from mvkit.errors import OptionError
from mvkit.train import chain, presets
from mvkit.train.spec import RunSpec

SMALL = {"data": {"clips": 4, "val": 0, "size": 16, "frames": 8}, "image": 16, "frames": 4, "stride": 1, "batch": 2}


@pytest.fixture(autouse=True)
def tiny_presets(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(presets, "embedded", _embedded)


def _embedded(method: str, preset: str = "quick", *, teachers=None, seed: int = 0, **_) -> RunSpec:
    options = {"size": "tiny", "patch": 8, **({"tubelet": 2} if method.startswith("umt") else {}), **(teachers or {})}
    return RunSpec(method=method, options=options, steps=3, lr=0.01, seed=seed, device="cpu", **SMALL)


def test_each_method_asks_for_the_teachers_its_options_name():
    assert chain.roles("mvd") == {"image_teacher": "mae", "video_teacher": "videomae"}
    assert chain.roles("umt") == {"clip_teacher": "clip_frames"}
    assert chain.roles("videomae") == {}


def test_a_missing_teacher_is_trained_and_found_the_next_time(tmp_path):
    said: list[tuple[str, dict]] = []

    def tell(name, line):
        said.append((name, line))

    options = chain.teachers("mvd", root=tmp_path / "teachers", tell=tell)
    assert sorted(options) == ["image_teacher", "video_teacher"]
    assert {name for name, line in said if "loss" in line} == {"mae", "videomae"}
    said.clear()
    assert chain.teachers("mvd", root=tmp_path / "teachers", tell=tell) == options
    assert [(name, sorted(line)) for name, line in said] == [("mae", ["found"]), ("videomae", ["found"])]
    student = methods.create("mvd", size="tiny", frames=4, image=16, patch=8, **options)
    assert sorted(student.teachers) == ["image", "video"]


def test_the_second_stage_starts_from_the_student_before_it_which_is_trained_with_its_own_teacher(tmp_path):
    trained: dict[str, int] = {}

    def tell(name, line):
        trained[name] = trained.get(name, 0) + ("loss" in line)

    spec = chain.student("umt_vl", root=tmp_path / "teachers", seed=5, tell=tell)
    assert trained == {"clip_frames": 1, "videomae": 1, "maskagain": 1}
    (start,) = spec.start
    folder = Path(start.removeprefix("run:"))
    before = RunSpec.read(folder / "spec.json")
    assert (spec.method, spec.seed, before.method, before.seed) == ("umt_vl", 5, "maskagain", 0)
    method = methods.create("umt_vl", **{**spec.method_options(), "text_size": "tiny"})
    (report,) = checkpoints.start_from(method, spec.start)
    first = {name: value for name, value in checkpoints.read(folder).state.items() if name.startswith("encoder.")}
    assert first and set(first) <= set(report.matched)
    assert all(torch.equal(method.state_dict()[name], value) for name, value in first.items())


def test_a_method_without_a_stage_before_it_starts_from_nothing(tmp_path):
    assert chain.student("videomae", root=tmp_path).start == []
    assert not list(tmp_path.iterdir())


def test_an_interrupted_teacher_goes_on(tmp_path):
    spec = _embedded("videomae")
    folder = chain.teacher_folder(spec, tmp_path)
    checkpoints.save(
        folder / "checkpoint" / "step_000001",
        methods.create("videomae", **spec.method_options()),
        name="videomae",
        options=spec.method_options(),
    )
    assert not chain.finished(folder, spec)


def test_other_settings_never_share_a_folder(tmp_path):
    spec = _embedded("videomae")
    assert chain.teacher_folder(spec, tmp_path) != chain.teacher_folder(spec.model_copy(update={"steps": 4}), tmp_path)


def _train(root: Path, folder: Path) -> None:
    presets.embedded = _embedded  # type: ignore[assignment]  # a fresh process has the real one
    import os

    os.chdir(folder)
    chain.teacher("videomae", root=root)


def test_two_students_that_start_at_once_train_the_teacher_once(tmp_path):
    started = [
        multiprocessing.get_context("spawn").Process(target=_train, args=(tmp_path / "teachers", tmp_path))
        for _ in range(2)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    assert [process.exitcode for process in started] == [0, 0]
    spec = _embedded("videomae")
    folder = chain.teacher_folder(spec, tmp_path / "teachers")
    steps = [line for line in (folder / "metrics.jsonl").read_text().splitlines() if '"loss"' in line]
    assert chain.finished(folder, spec) and len(steps) == 1


def test_a_method_without_a_preset_is_refused(monkeypatch):
    monkeypatch.undo()
    with pytest.raises(OptionError, match="unknown method with a preset 'vmae'"):
        presets.embedded("vmae")


def test_every_method_has_a_preset_that_builds_its_spec(monkeypatch):
    monkeypatch.undo()
    for name in methods.available():
        for preset in ("quick", "long"):
            spec = presets.embedded(name, preset)
            assert spec.method == name and spec.warmup <= spec.steps
