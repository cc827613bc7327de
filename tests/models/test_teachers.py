"""Teachers: frozen, in eval mode whatever happens to the student, on the student's tokens."""

import pytest
import torch
import torch.nn.functional as F

from mvkit.errors import ShapeError
from mvkit.maskers.base import TokenMask
from mvkit.models import VideoViT
from mvkit.models.teachers import Teacher
from mvkit.tokens import TokenGrid

IMAGE = {"grid": TokenGrid(1, 2, 3), "tubelet": 1, "class_token": True}


def teacher(**more) -> Teacher:
    torch.manual_seed(0)
    said = {"grid": TokenGrid(2, 2, 3), "tubelet": 2, "patch": 8, "width": 48, "depth": 2, "heads": 3} | more
    return Teacher(VideoViT(said.pop("grid"), **said), source="run:somewhere")


def clips(frames: int = 4, height: int = 16, width: int = 24) -> torch.Tensor:
    return torch.rand(2, 3, frames, height, width, generator=torch.Generator().manual_seed(1))


def test_its_answers_carry_no_gradient_and_can_be_used_in_a_loss():
    found = teacher(**IMAGE)(clips(), layers=(1,), heads=(2,))
    answers = (found.tokens, found.layers[1], found.class_token, found.heads[2].logits, found.heads[2].values)
    student = torch.nn.Parameter(torch.ones(()))
    for answer in answers:
        assert not answer.requires_grad and not answer.is_inference()
        (student * answer).square().mean().backward()
    assert student.grad is not None


def test_it_is_frozen_and_stays_in_eval_mode_inside_a_student_that_trains():
    made = teacher(drop_path=0.9)
    holder = torch.nn.Sequential(made)
    holder.train()
    assert not any(part.training for part in made.modules())
    assert not any(p.requires_grad for p in made.parameters())
    assert torch.equal(made(clips()).tokens, made(clips()).tokens)


def test_its_layers_finish_without_a_gradient():
    made = teacher(out_width=20)
    found = made(clips(), layers=(2,))
    finished = made.finish(found.layers[2])
    assert finished.shape == (2, 12, 20) and not finished.requires_grad
    assert torch.allclose(finished, made.encoder.head(found.tokens), atol=1e-6)


@torch.no_grad()
def test_an_image_teacher_sees_the_first_frame_of_each_tubelet():
    made, x = teacher(**IMAGE), clips(frames=6)
    assert made.per_frame
    found = made(x, steps=3, layers=(2,))
    for step in range(3):
        alone = made.encoder(x[:, :, 2 * step : 2 * step + 1], layers=(2,))
        assert torch.allclose(found.layers[2].view(2, 3, 6, 48)[:, step], alone.layers[2], atol=1e-6)
        assert torch.allclose(found.class_token[:, step], alone.class_token, atol=1e-6)
    changed = x.clone()
    changed[:, :, 1::2] = 0.0  # second frames, which it never sees
    assert torch.equal(made(changed, steps=3).tokens, found.tokens)
    assert made(x).tokens.shape == (2, 36, 48)  # every frame, where no steps are said


@torch.no_grad()
def test_a_video_teacher_sees_the_whole_clip():
    made, x = teacher(), clips()
    assert not made.per_frame
    assert torch.equal(made(x, steps=2).tokens, made.encoder(x).tokens)


@torch.no_grad()
def test_clips_of_another_size_are_resized_without_antialiasing():
    made, x = teacher(**IMAGE), clips(frames=2, height=30, width=44)
    flat = F.interpolate(x.transpose(1, 2).flatten(0, 1), size=(16, 24), mode="bicubic", align_corners=False)
    wanted = made.encoder(flat[:, :, None]).tokens.reshape(2, 12, 48)
    assert torch.allclose(made(x).tokens, wanted, atol=1e-6)


def half_hidden(grid: TokenGrid) -> TokenMask:
    return TokenMask((torch.arange(grid.tokens) % 2 == 0).expand(2, -1), grid)


@torch.no_grad()
def test_a_mask_goes_to_video_teachers_and_to_image_teachers_with_images():
    video, image = teacher(), teacher(**IMAGE)
    mask = half_hidden(video.encoder.grid)
    assert torch.equal(video(clips(), mask).tokens, video.encoder(clips(), mask).tokens)
    mask = half_hidden(image.encoder.grid)
    assert image(clips(frames=1), mask).tokens.shape == (2, 3, 48)
    with pytest.raises(ShapeError, match="run:somewhere takes a mask with images only"):
        image(clips(), mask)


def test_class_attention_is_the_mean_over_heads_of_what_the_class_token_looks_at():
    made = teacher(**IMAGE)
    found = made(clips(frames=4), steps=2, heads=(1,))
    got = made.class_attention(found, 1)
    assert got.shape == (2, 2, 6)
    rows = found.attention(1)  # (B*steps, heads, 7, 7)
    assert torch.allclose(got[1, 0], rows[2, :, 0, 1:].mean(0))
    assert (got.sum(-1) < 1).all()  # what it gives itself is left out, and nothing is normalised again


def test_class_attention_of_a_video_teacher_with_a_class_token_has_its_steps():
    made = teacher(class_token=True)
    found = made(clips(), heads=(2,))
    got = made.class_attention(found, 2)
    assert got.shape == (2, 2, 6)
    assert torch.allclose(got[1].flatten(), found.attention(2)[1, :, 0, 1:].mean(0))


def test_class_attention_without_a_class_token_is_refused():
    made = teacher()
    with pytest.raises(ShapeError, match="run:somewhere has no class token"):
        made.class_attention(made(clips(), heads=(1,)), 1)


def test_a_teacher_on_other_places_is_refused_with_both_grids():
    teacher().check(TokenGrid(2, 2, 3))
    teacher(**IMAGE).check(TokenGrid(7, 2, 3))  # any number of steps: it sees one frame of each
    with pytest.raises(ShapeError, match=r"has a 2x2x3 grid, the student a 2x3x3 grid.*2x3 places and 2 steps"):
        teacher().check(TokenGrid(2, 3, 3))
    with pytest.raises(ShapeError, match="2x3 places and 2 steps"):
        teacher().check(TokenGrid(4, 2, 3))


def test_it_is_named_by_its_encoder_where_no_source_is_said():
    assert Teacher(VideoViT(TokenGrid(1, 1, 1), patch=8, width=16, depth=1, heads=1)).source == "VideoViT"
