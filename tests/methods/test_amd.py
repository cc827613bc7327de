import pytest
import torch

from mvkit import methods
from mvkit.errors import OptionError, ShapeError
from mvkit.methods.amd import AMD
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid

GRID = TokenGrid(2, 4, 4)
SMALL = {"size": "tiny", "frames": 4, "image": 32, "patch": 8}


def teacher(depth=3, width=64, grid=GRID, **more) -> Teacher:
    torch.manual_seed(3)
    return Teacher(VideoViT(grid, patch=8, width=width, depth=depth, heads=2, **more))


def build(**more) -> AMD:
    torch.manual_seed(0)
    return methods.create("amd", video_teacher=teacher(), **SMALL, **more)  # type: ignore[return-value]


def clips(batch=2) -> torch.Tensor:
    return torch.rand(batch, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1))


def step(method, x):
    return method(x, generator=torch.Generator().manual_seed(0), artifacts=True)


def test_the_middle_and_the_last_blocks_are_paired_unless_said():
    assert build().direct == [(2, 1), (4, 3)] == build().generation


def test_targets_are_the_teachers_raw_layers_at_shared_and_at_extra_tokens():
    method, x = build(), clips()
    out = step(method, x)
    full = method.teachers["video"].encoder(x, out.masks["teacher"], layers=(1, 3))
    grid = out.masks["teacher"].scatter(full.layers[3])
    assert torch.equal(out.artifacts["direct_targets.1"], out.masks["student"].visible(grid))
    assert torch.equal(out.artifacts["generation_targets.1"], out.masks["extra"].visible(grid))


def test_what_the_teacher_alone_sees_cannot_reach_the_student_but_changes_the_targets():
    method, x = build(), clips()
    masks = step(method, x).masks
    pixels = x.clone()
    # Change the pixels of the first extra token of the first clip.
    t, h, w = GRID.place(int(masks["extra"].visible_ids[0, 0]))
    pixels[0, :, 2 * t : 2 * t + 2, 8 * h : 8 * h + 8, 8 * w : 8 * w + 8] += 0.5
    before, after = method.predict(x, masks), method.predict(pixels, masks)
    for name in ("direct_predictions.1", "generation_predictions.1", "pixel_predictions"):
        assert torch.equal(before[name], after[name]), name
    assert not torch.equal(before["direct_targets.1"], after["direct_targets.1"])


def test_the_projection_is_shared_between_the_two_alignments():
    method = build(recfac=0.0, dirfac=0.0)
    step(method, clips()).loss.backward()
    assert all(p.grad.abs().sum() > 0 for p in method.projections.parameters())


def test_weights_scale_the_parts_and_parts_stay_bare():
    plain, weighed = step(build(), clips()), step(build(recfac=0.5, dirfac=2.0, genfac=3.0), clips())
    assert all(torch.equal(plain.parts[name], weighed.parts[name]) for name in plain.parts)
    parts = plain.parts
    assert torch.allclose(weighed.loss, 0.5 * parts["pixels"] + 2 * parts["direct"] + 3 * parts["generation"])


def test_generator_tokens_are_saved_but_trained_only_on_request():
    name = "generators.0.mask_token"
    assert name in build().state_dict() and name not in dict(build().named_parameters())
    assert name in dict(build(learn_generator_tokens=True).named_parameters())


def test_without_its_factor_generation_is_left_out_whole():
    method = build(genfac=0.0)
    assert not method.generators and "generation" not in step(method, clips()).parts


def test_a_teacher_without_tokens_of_its_own_is_refused_unless_nothing_is_generated():
    with pytest.raises(OptionError, match="lower teacher_ratio, or set genfac=0"):
        build(student_ratio=0.75, teacher_ratio=0.75)
    build(student_ratio=0.75, teacher_ratio=0.75, genfac=0.0)


@pytest.mark.parametrize(
    "options, says",
    [
        ({"student_layers_direct": [5], "teacher_layers_direct": [3]}, r"\(5, 3\) does not exist.*1 to 4"),
        ({"student_layers_direct": [2, 4], "teacher_layers_direct": [3]}, "differ in length"),
        ({"student_layers_gen": [1, 2, 3], "teacher_layers_gen": [1, 2, 3]}, "at most as many generation layers"),
        ({"align_loss": "sml2"}, "unknown feature loss"),
    ],
)
def test_layers_that_cannot_be_aligned_are_refused(options, says):
    with pytest.raises(OptionError, match=says):
        step(build(**options), clips())


def test_a_teacher_on_another_grid_is_refused_with_both():
    with pytest.raises(ShapeError, match=r"3x4x4.*2x4x4"):
        methods.create("amd", video_teacher=teacher(grid=TokenGrid(3, 4, 4)), **SMALL)


def test_images_are_the_same_method_with_one_step():
    image = teacher(grid=TokenGrid(1, 4, 4), tubelet=1, class_token=True, position="blocked_2d")
    options = {"size": "tiny", "frames": 1, "image": 32, "patch": 8, "tubelet": 1}
    method = methods.create("amd", video_teacher=image, class_token=True, position="blocked_2d", **options)
    out = step(method, clips()[:, :, :1])
    out.loss.backward()
    assert torch.isfinite(out.loss) and method.encoder.class_token.grad.abs().sum() > 0
