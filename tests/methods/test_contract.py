"""What every method promises, checked for each one found in the folder."""

import pytest
import torch

from mvkit import checkpoints, methods
from mvkit.maskers.base import MaskSet
from mvkit.methods import Method

OPTIONS = {"size": "tiny", "frames": 4, "image": 24, "patch": 8}


def build(name: str) -> Method:
    torch.manual_seed(0)
    return methods.create(name, **OPTIONS)


def clips(batch: int = 3) -> torch.Tensor:
    return torch.rand(batch, 3, 4, 24, 24, generator=torch.Generator().manual_seed(5))


def step(method: Method, x: torch.Tensor, seed: int = 0):
    return method(x, generator=torch.Generator().manual_seed(seed), artifacts=True)


each = pytest.mark.parametrize("name", methods.available())


@each
def test_the_loss_is_finite_and_the_parts_are_named(name):
    out = step(build(name), clips())
    assert out.loss.shape == () and torch.isfinite(out.loss)
    assert out.parts and all(part.shape == () for part in out.parts.values())
    assert out.masks and all(len(mask) == 3 for mask in out.masks.values())


@each
def test_every_trainable_parameter_is_reached_and_saved(name):
    method = build(name)
    step(method, clips()).loss.backward()
    for key, parameter in method.named_parameters():
        assert key in method.state_dict()
        if parameter.requires_grad:
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key


@each
def test_the_same_seed_gives_the_same_loss_and_another_seed_another(name):
    method = build(name)
    assert torch.equal(step(method, clips(), 1).loss, step(method, clips(), 1).loss)
    assert not torch.equal(step(method, clips(), 1).loss, step(method, clips(), 2).loss)


@each
def test_no_step_draws_from_the_global_generator(name):
    method = build(name)
    before = torch.get_rng_state()
    step(method, clips())
    assert torch.equal(before, torch.get_rng_state())


@each
def test_two_clips_can_be_learned_by_heart(name):
    method, x = build(name), clips(2)
    optimiser = torch.optim.AdamW(method.parameters(), lr=2e-3)
    first = step(method, x).loss.item()
    for _ in range(60):
        optimiser.zero_grad()
        step(method, x).loss.backward()
        optimiser.step()
    assert step(method, x).loss.item() < 0.5 * first


@each
def test_half_batches_average_to_the_whole_batch(name):
    """One accumulation step or two, the gradient is the same; masks are given, since each half draws its own."""
    method, x = build(name).eval(), clips(4)
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
def test_a_saved_method_loads_from_its_folder_alone(name, tmp_path):
    method = build(name)
    checkpoints.save(tmp_path, method, name=name, options=OPTIONS)
    loaded, report = checkpoints.load(tmp_path)
    assert not report.missing and not report.unexpected and not report.reshaped
    assert torch.equal(step(loaded, clips()).loss, step(method, clips()).loss)


@each
def test_the_module_says_its_paper(name):
    cls = methods.get(name)
    assert cls.title and "arXiv:" in cls.paper
