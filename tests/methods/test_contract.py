"""What every method promises, checked for each one found in the folder."""

from inspect import signature

import pytest
import torch

from mvkit import checkpoints, methods
from mvkit.maskers.base import MaskSet
from mvkit.methods import Method

OPTIONS = {"size": "tiny", "frames": 4, "image": 24, "patch": 8}
# Parameter of a method's `build` -> the method whose run is such a teacher.
TEACHERS = {"image_teacher": "mae", "video_teacher": "videomae", "clip_teacher": "clip_frames"}


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """method name -> options of a small one; whatever teacher it asks for is an untrained run of this kit."""
    folder = tmp_path_factory.mktemp("teachers")

    def teacher(kind: str) -> str:
        if not (folder / kind).exists():
            torch.manual_seed(7)
            made = methods.create(kind, **OPTIONS)
            checkpoints.save(folder / kind, made, name=kind, options=OPTIONS)
        return f"run:{folder / kind}"

    def find(name: str) -> dict:
        asked = signature(methods.get(name).build).parameters
        small = {"text_size": "tiny"} if "text_size" in asked else {}
        return OPTIONS | small | {role: teacher(kind) for role, kind in TEACHERS.items() if role in asked}

    return find


@pytest.fixture
def build(options):
    def make(name: str, **more) -> Method:
        torch.manual_seed(0)
        return methods.create(name, **options(name), **more)

    return make


def clips(batch: int = 3) -> torch.Tensor:
    return torch.rand(batch, 3, 4, 24, 24, generator=torch.Generator().manual_seed(5))


def step(method: Method, x: torch.Tensor, seed: int = 0, **more):
    given = {"captions": [f"a red square moves {way}" for way in ("left", "up", "right", "down")][: len(x)]}
    given = {name: value for name, value in given.items() if name in method.needs}
    return method(x, generator=torch.Generator().manual_seed(seed), artifacts=True, **given, **more)


each = pytest.mark.parametrize("name", methods.available())


@each
def test_the_loss_is_finite_and_the_parts_are_named(build, name):
    out = step(build(name), clips())
    assert out.loss.shape == () and torch.isfinite(out.loss)
    assert out.parts and all(part.shape == () for part in out.parts.values())
    assert out.masks and all(len(mask) == 3 for mask in out.masks.values())


@each
def test_every_trainable_parameter_is_reached_and_saved(build, name):
    method = build(name)
    step(method, clips()).loss.backward()
    for key, parameter in method.named_parameters():
        assert key in method.state_dict()
        if parameter.requires_grad:
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key


@each
def test_the_same_seed_gives_the_same_loss_and_another_seed_another(build, name):
    method = build(name)
    assert torch.equal(step(method, clips(), 1).loss, step(method, clips(), 1).loss)
    assert not torch.equal(step(method, clips(), 1).loss, step(method, clips(), 2).loss)


@each
def test_no_step_draws_from_the_global_generator(build, name):
    method = build(name)
    before = torch.get_rng_state()
    step(method, clips())
    assert torch.equal(before, torch.get_rng_state())


@each
def test_two_clips_can_be_learned_by_heart(build, name):
    method, x = build(name), clips(2)
    optimiser = torch.optim.AdamW(method.parameters(), lr=2e-3)
    first = step(method, x).loss.item()
    for _ in range(60):
        optimiser.zero_grad()
        step(method, x).loss.backward()
        optimiser.step()
    assert step(method, x).loss.item() < 0.5 * first


@each
def test_half_batches_average_to_the_whole_batch(build, name):
    """One accumulation step or two, the gradient is the same; masks are given, since each half draws its own."""
    method, x = build(name).eval(), clips(4)
    if method.couples_clips:
        pytest.skip(f"{name} compares the clips of a batch with each other")
    whole = step(method, x)
    for mask in whole.masks.values():
        assert len(mask) == 4
    frozen = dict(whole.masks)

    class Given:
        def __init__(self, rows: slice) -> None:
            self.rows = rows

        def __call__(self, grid, batch, **_):
            masks = {role: mask[self.rows] for role, mask in frozen.items()}
            return masks["encoder"] if list(masks) == ["encoder"] else MaskSet(masks)

    whole.loss.backward()
    wanted = {key: p.grad.clone() for key, p in method.named_parameters() if p.grad is not None}
    method.zero_grad()
    for rows in (slice(0, 2), slice(2, 4)):
        method.masker = Given(rows)
        (step(method, x[rows]).loss / 2).backward()
    for key, p in method.named_parameters():
        if key in wanted:
            assert torch.allclose(p.grad, wanted[key], atol=1e-6), key


@each
def test_a_saved_method_loads_from_its_folder_and_its_teachers(build, options, name, tmp_path):
    method = build(name)
    checkpoints.save(tmp_path, method, name=name, options=options(name))
    loaded, report = methods.load(tmp_path)
    assert not report.missing and not report.unexpected and not report.reshaped
    assert torch.equal(step(loaded, clips()).loss, step(method, clips()).loss)


@each
def test_the_module_says_its_paper(name):
    cls = methods.get(name)
    assert cls.title and ("arXiv:" in cls.paper or "ACM" in cls.paper)
    assert cls.hides and cls.loss


@each
def test_teachers_are_frozen_and_no_part_of_the_student(build, name):
    method = build(name).train()
    own = {id(p) for p in method.parameters()}
    for role, teacher in method.teachers.items():
        assert not teacher.training and not any(part.training for part in teacher.modules()), role
        assert not any(p.requires_grad or id(p) in own for p in teacher.parameters()), role
    before = {key: value.clone() for t in method.teachers.values() for key, value in t.state_dict().items()}
    step(method, clips()).loss.backward()
    after = {key: value for t in method.teachers.values() for key, value in t.state_dict().items()}
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(p.grad is None for t in method.teachers.values() for p in t.parameters())


@each
def test_kept_targets_give_the_loss_that_asking_the_teachers_gives(build, name):
    method, x = build(name), clips()
    kept = method.targets(x)
    if not kept:
        pytest.skip(f"{name} has no teacher that sees whole clips")
    out = step(method, x, targets=kept)
    assert torch.equal(out.loss, step(method, x).loss)


@each
def test_one_step_clips_work_where_the_method_says_so(options, name):
    cls = methods.get(name)
    if not cls.one_step:
        pytest.skip(f"{name} needs more than one step")
    if {"image_teacher", "video_teacher", "clip_teacher"} & set(signature(cls.build).parameters):
        pytest.skip("its teachers were made for four frames; its own test covers one step")
    method = methods.create(name, **(options(name) | {"frames": 2}))
    assert torch.isfinite(step(method, clips()[:, :, :2]).loss)
