import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import OptionError, ShapeError
from mvkit.inspect import similarity
from mvkit.inspect.compared import Compared
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.tokens import patchify

GRID = TokenGrid(2, 3, 5)
CLIPS = torch.rand(10, 3, 4, 12, 20, generator=torch.Generator().manual_seed(0))


def encoder(grid: TokenGrid = GRID, tubelet: int = 2, depth: int = 2, patch: int = 4) -> VideoViT:
    torch.manual_seed(depth)
    return VideoViT(grid, tubelet=tubelet, patch=patch, width=24, depth=depth, heads=3).eval()


def both() -> Compared:
    return Compared({"image": encoder(TokenGrid(1, 2, 4), tubelet=1, depth=4, patch=6), "video": encoder()})


def test_clips_are_as_the_first_video_encoder_wants_them_and_image_encoders_see_its_steps():
    found = both()
    assert (found.grid, found.frames, found.size, found.depth) == (GRID, 4, (12, 20), 4)
    assert found.grids == {"pixels": GRID, "image": TokenGrid(2, 2, 4), "video": GRID}


def test_tokens_and_matrices_of_many_clips_are_those_of_each_encoder():
    found = both()
    tokens = found.tokens(CLIPS, 3)
    with torch.no_grad():
        want = encoder()(CLIPS, layers=(2,)).layers[2]
    assert torch.allclose(tokens["video"], want, atol=1e-5) and tokens["image"].shape == (10, 16, 24)
    assert torch.equal(tokens["pixels"], patchify(CLIPS, tubelet=2, patch=4))
    matrices = found.matrices(CLIPS, 3, centred=False)
    assert set(matrices) == set(similarity.MATRICES)
    want = similarity.frame_matrix(want, GRID, kind="pooled", centred=False)
    assert torch.allclose(matrices["pooled"]["video"], want, atol=1e-5)


def test_what_is_said_of_a_clip_is_kept_for_the_last_two():
    found = both()
    first = found.on("a", CLIPS[:1])
    assert found.on("a", CLIPS[:1]) is first and found.on("b", CLIPS[1:2]) is not first
    found.on("a", CLIPS[:1]), found.on("c", CLIPS[2:3])
    assert found.on("a", CLIPS[:1]) is first
    assert set(found._kept) == {"a", "c"}


def test_models_that_cannot_stand_side_by_side_are_refused():
    with pytest.raises(ShapeError, match="'b' has 1 steps of 4 frames, 'a' 2 of 2: compare video encoders of"):
        Compared({"a": encoder(), "b": encoder(TokenGrid(1, 3, 5), tubelet=4)})
    with pytest.raises(OptionError, match="at least one model"):
        Compared({})
    with pytest.raises(OptionError, match="always there"):
        Compared({"pixels": Teacher(encoder())})
