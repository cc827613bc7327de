import numpy as np
import pytest

from mvkit.data import cuttings
from mvkit.data.cuttings import CuttingSpec
from mvkit.data.manifest import Manifest
from mvkit.data.sample import Sample
from mvkit.data.shapes.writer import encode
from mvkit.data.store import load_arrays
from mvkit.errors import DataError, OptionError

SPEC = CuttingSpec(clips=6, val=2, frames=8, stride=2, size=16)


def video_of(frames: int, folder) -> str:
    """Frame k is one grey of level 4k, on 24 x 40 pixels."""
    levels = (4 * np.arange(frames)).astype(np.uint8)
    path = folder / f"{frames}.mp4"
    path.write_bytes(encode(np.broadcast_to(levels[:, None, None, None], (frames, 24, 40, 3)).copy(), 12))
    return str(path)


def test_the_middle_fifth_is_held_out_and_training_sees_both_sides_of_it(tmp_path):
    found = cuttings.cut(video_of(60, tmp_path), tmp_path / "own", SPEC)
    train, val = load_arrays(found.train), load_arrays(found.val)
    assert train.shape == (6, 8, 16, 16, 3) and val.shape == (2, 8, 16, 16, 3)
    level = train.float().mean((2, 3, 4)) / 4
    assert found.held_out and not ((level > 24.7) & (level < 35.3)).any()
    assert (level < 24).any() and (level > 36).any()
    assert val.float().min() / 4 >= 23.3 and val.float().max() / 4 <= 35.7
    shown = load_arrays(Manifest((found.sample,))).float() / 4
    assert shown.shape[1] == 12 and shown.min() >= 23.3 and shown.max() <= 35.7


def test_cuttings_stand_beside_a_labelled_set_without_labels(tmp_path):
    found = cuttings.cut(video_of(60, tmp_path), tmp_path / "own", SPEC)
    labelled = Manifest((Sample(tmp_path / "a.mp4", labels={"motion": 2}),), {"motion": ("a", "b", "c")})
    both = found.beside(labelled)
    assert len(both) == 7 and both.labels("motion").tolist() == [2] + [-1] * 6


def test_the_same_video_and_spec_are_written_once_and_another_spec_elsewhere(tmp_path):
    video = video_of(60, tmp_path)
    first = cuttings.cut(video, tmp_path / "own", SPEC)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "own").rglob("*.mp4")}
    again = cuttings.cut(video, tmp_path / "own", SPEC)
    assert again == first and stamps == {p: p.stat().st_mtime_ns for p in (tmp_path / "own").rglob("*.mp4")}
    other = cuttings.cut(video, tmp_path / "own", CuttingSpec(clips=6, frames=8, size=16, seed=1))
    assert other.train.root != first.train.root


def test_a_short_video_is_shown_and_trained_on_from_all_its_frames(tmp_path):
    found = cuttings.cut(video_of(5, tmp_path), tmp_path / "own", SPEC)
    assert not found.held_out
    assert load_arrays(found.val).shape == (2, 8, 16, 16, 3)


@pytest.mark.parametrize("length", [2, 7, 8, 14, 15, 16, 40])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_a_window_stays_in_its_span_and_never_runs_backwards(length, place):
    span = range(3, 3 + length)
    frames = cuttings.window(span, SPEC, place)
    assert len(frames) == 8 and frames[0] >= 3 and frames[-1] <= span[-1]
    assert (np.diff(frames) >= 0).all()
    if length >= 15:
        assert (np.diff(frames) == 2).all()


def test_one_frame_is_no_video_and_odd_sizes_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not move"):
        cuttings.split(1, SPEC)
    with pytest.raises(OptionError, match="size even"):
        CuttingSpec(size=17)
