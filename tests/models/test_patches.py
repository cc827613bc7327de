"""Picking before cutting gives the rows that cutting everything gives."""

import pytest
import torch

from mvkit.errors import ShapeError
from mvkit.models.patches import patches_at
from mvkit.tokens import patchify


def test_the_rows_are_those_of_patchify_in_the_order_asked_for():
    clips = torch.rand(2, 3, 4, 12, 20)
    ids = torch.tensor([[29, 0, 7], [14, 15, 15]])
    whole = patchify(clips, tubelet=2, patch=4)
    assert torch.equal(patches_at(clips, ids, tubelet=2, patch=4), torch.stack([whole[0, ids[0]], whole[1, ids[1]]]))


def test_a_clip_that_does_not_divide_is_refused():
    with pytest.raises(ShapeError, match="height=13 is not a multiple of 4"):
        patches_at(torch.rand(1, 3, 4, 13, 20), torch.zeros(1, 1, dtype=torch.long), tubelet=2, patch=4)
