import pytest
import torch

from mvkit import methods
from mvkit.errors import OptionError
from mvkit.methods.maskagain import MaskAgain
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid

GRID = TokenGrid(2, 4, 4)
SMALL = {"size": "tiny", "frames": 4, "image": 32, "patch": 8, "ratio": 0.5}


def build(width=128, heads=4, **more) -> MaskAgain:
    torch.manual_seed(0)
    teacher = Teacher(VideoViT(GRID, patch=8, width=width, depth=3, heads=heads))
    return methods.create("maskagain", video_teacher=teacher, **SMALL, **more)  # type: ignore[return-value]


def clips(batch=2) -> torch.Tensor:
    return torch.rand(batch, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1))


def step(method, x):
    return method(x, generator=torch.Generator().manual_seed(0), artifacts=True)


def same_student_and_teacher(**more) -> MaskAgain:
    method = build(**more)
    # The student has no final norm; apart from it the two are one network.
    teacher = VideoViT.from_config(method.encoder.config)
    teacher.load_state_dict(method.encoder.state_dict())
    method.teachers["video"] = Teacher(teacher)
    method.teacher_block = method.block
    return method


def test_a_perfect_student_loses_nothing_but_the_relation_with_its_unequal_temperatures():
    parts = step(same_student_and_teacher(), clips()).parts
    assert max(parts[name].item() for name in ("hint", "global", "local")) < 1e-10
    assert parts["relation"] > 1e-3
    assert step(same_student_and_teacher(temperature_t=0.1), clips()).parts["relation"].abs() < 1e-6


def test_equal_networks_need_no_projections_and_unequal_ones_get_them():
    assert build().projections is None
    assert sorted(build(width=64).projections) == [
        "global_student",
        "global_teacher",
        "local_student",
        "local_teacher",
        "output",
    ]
    assert sorted(build(width=64, distill="onlymse").projections) == ["output"]
    assert "global_teacher" not in build(width=128, projections=True, teacher_projections=False).projections


@pytest.mark.parametrize(
    "mode, parts",
    [
        ("hybrid", {"hint", "relation", "global", "local"}),
        ("hinTop", {"hint", "relation", "global"}),
        ("VTop", {"hint", "relation", "local"}),
        ("onlymse", {"hint", "relation"}),
    ],
)
def test_modes_name_their_parts(mode, parts):
    assert set(step(build(distill=mode), clips()).parts) == parts
    assert "relation" not in step(build(distill=mode, alpha=0.0), clips()).parts


def test_the_branch_weights_count_in_hybrid_alone():
    hybrid = build(beta=2.0, beta_kd1=3.0, beta_kd2=5.0).weights
    assert (hybrid["global"], hybrid["local"]) == (6.0, 10.0)
    assert build(distill="hinTop", beta=2.0, beta_kd1=3.0).weights["global"] == 2.0


def test_a_tie_at_the_output_keeps_one_token_more_and_the_divisor_stays():
    method = build(num_f=3)
    tokens = torch.rand(2, 8, 128, generator=torch.Generator().manual_seed(2))
    tokens[0, 5] = tokens[0, tokens[0].sum(-1).argsort(descending=True)[2]]  # as active as the third
    _, kept = method.hint_loss(tokens, tokens)
    assert kept.sum(1).tolist() == [4, 3]
    rows = torch.nn.functional.normalize(tokens[kept], dim=-1)
    alike = (rows @ rows.T).fill_diagonal_(-1000.0)
    own, theirs = (alike / at for at in (method.temperature_s, method.temperature_t))
    expected = (theirs.softmax(1) * (theirs.log_softmax(1) - own.log_softmax(1))).sum() / (2 * 3)
    assert method.relation_loss(tokens, tokens, kept).item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_order_of_the_clips_does_not_matter():
    method, x = build().eval(), clips(3)
    mask = method.masker(GRID, 3, generator=torch.Generator().manual_seed(0))
    turned = type(mask)(mask.hidden.flip(0), GRID)
    assert torch.allclose(method.compute(x, mask).loss, method.compute(x.flip(0), turned).loss, rtol=1e-5)


def test_a_batch_twice_changes_the_relation_alone():
    method, x = build().eval(), clips(2)
    mask = method.masker(GRID, 2, generator=torch.Generator().manual_seed(0))
    once = method.compute(x, mask).parts
    twice = method.compute(x.repeat(2, 1, 1, 1, 1), type(mask)(mask.hidden.repeat(2, 1), GRID)).parts
    assert all(torch.allclose(once[name], twice[name], rtol=1e-5) for name in ("hint", "global", "local"))
    assert not torch.allclose(once["relation"], twice["relation"], rtol=1e-3)


def test_more_keys_than_a_step_shows_are_refused_and_by_default_all_are_kept():
    with pytest.raises(OptionError, match=r"num_k=9 of 8 visible ones"):
        build(num_k=9)
    assert build().num_k == 8 and build(distill="hinTop").num_k == 10


def test_the_local_branch_wants_tubes():
    with pytest.raises(OptionError, match="masker 'tube', got 'random'"):
        build(masker="random")
    assert torch.isfinite(step(build(masker="random", distill="hinTop"), clips()).loss)


@pytest.mark.parametrize("options", [{"distill": "hint"}, {"distill": "onlymse", "onlykd": True}])
def test_modes_that_mean_nothing_are_refused(options):
    with pytest.raises(OptionError, match="MaskAgain"):
        build(**options)
