import numpy as np
import pytest
import torch

from mvkit import methods
from mvkit.errors import ShapeError
from mvkit.models.teachers import Teacher
from mvkit.runs.glimpse import CELL, Glimpse

CLIP = {"frames": 4, "image": 32, "patch": 8, "size": "tiny"}


def made(name: str, **teachers: Teacher):
    torch.manual_seed(0)
    return methods.create(name, **CLIP, **teachers).eval()


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return torch.rand(3, 4, 32, 32, generator=torch.Generator().manual_seed(1))


def test_a_glimpse_of_a_pixel_method_has_a_row_more_than_one_of_features(clip):
    teacher = Teacher(made("videomae").encoder)
    rebuilt, features = Glimpse(clip)(made("videomae")), Glimpse(clip)(made("mvd", video_teacher=teacher))
    assert rebuilt.dtype == np.uint8 and rebuilt.shape[2] == 3
    assert CELL <= len(rebuilt) - len(features) <= CELL + 16


def test_a_glimpse_is_the_same_each_time_and_another_for_other_weights(clip):
    model, glimpse = made("videomae"), Glimpse(clip, seed=3)
    first = glimpse(model)
    assert np.array_equal(first, glimpse(model))
    with torch.no_grad():
        model.head.weight.mul_(-1)
    assert not np.array_equal(first, glimpse(model))


def test_methods_that_keep_their_pixels_under_another_name_are_rebuilt_too(clip):
    student = made("amd", video_teacher=Teacher(made("videomae").encoder))
    assert len(Glimpse(clip)(student)) == len(Glimpse(clip)(made("videomae")))


def test_a_batch_is_refused(clip):
    with pytest.raises(ShapeError, match=r"one clip \(3, T, H, W\)"):
        Glimpse(clip[None])
