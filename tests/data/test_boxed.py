"""Keyframes and the clips around them: a grey film with one bright square, so that a box can be seen to follow."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mvkit.data import read_manifest, shapes
from mvkit.data.boxed import LIMIT, KeyframeClips
from mvkit.data.keyframes import Keyframe, of_tracks
from mvkit.data.loader import ClipLoader
from mvkit.data.shapes.writer import encode
from mvkit.errors import DataError, OptionError

HIGH, WIDE, LENGTH = 48, 80, 9
PLACE = np.array([[0.4, 0.25, 0.6, 0.75]])
PLAIN = {"frames": 3, "stride": 2, "short": 48, "crop": 0, "patch": 8, "flip": 0.0, "colour": False}


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    frames = np.full((LENGTH, HIGH, WIDE, 3), 20, np.uint8)
    frames[:, 12:36, 32:48] = 200
    frames += 5 * np.arange(LENGTH, dtype=np.uint8)[:, None, None, None]  # each frame is 5 grey levels brighter
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    path.write_bytes(encode(frames, 4, alone=True))
    return path


def keyframe(path, boxes=PLACE, **options):
    return Keyframe((path.stem, 1.0), path, boxes, np.ones((len(boxes), 2), bool), np.ones(len(boxes)), **options)


def bright(clip, box):
    """Mean grey level in a box, and outside of it."""
    height, width = clip.shape[-2:]
    left, top, right, bottom = (box * [width, height, width, height]).round().astype(int)
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    picture = clip.float().mean((0, 1))
    return float(picture[inside].mean()), float(picture[~inside].mean())


def test_a_clip_lies_around_its_keyframe_and_stands_still_beyond_the_ends(film):
    def levels(**options):
        clip = keyframe(film, **options).read(3, 2)
        return ((clip[:, :, :8].float().mean((1, 2, 3)) - 20) / 5).round().int().tolist()

    assert levels(frame=4) == [2, 4, 6]
    assert levels(second=1.0) == [2, 4, 6], "4 frames a second"
    assert levels(frame=0) == [0, 0, 2] and levels(frame=8) == [6, 8, 8]
    with pytest.raises(DataError, match=r"no frame 40 in it .*offset"):
        levels(second=10.0)


def test_a_box_stays_on_what_it_was_drawn_around_through_crop_and_mirror(film):
    clips = KeyframeClips([keyframe(film, frame=4)], **{**PLAIN, "crop": 40, "flip": 0.5})
    seen = set()
    for epoch in range(12):
        clip, kept, boxes = clips.clip(0, epoch)
        assert clip.shape == (3, 3, 40, 40) and len(kept.boxes) == len(boxes)
        for box in boxes:
            inside, outside = bright(clip, box)
            assert inside > outside + 60
            seen.add(tuple(box.round(2)))
        assert torch.equal(clip, clips.clip(0, epoch)[0]), "the same epoch gives the same clip"
    assert len(seen) > 6


def test_a_box_out_of_the_crop_goes_and_its_actions_go_with_it(film):
    corners = np.array([[0.0, 0.0, 0.06, 0.1], [0.4, 0.25, 0.6, 0.75], [0.94, 0.9, 1.0, 1.0]])
    one = replace(keyframe(film, corners, frame=4), actions=np.eye(3, dtype=bool))
    clips = KeyframeClips([one], **{**PLAIN, "crop": 40})
    counts = set()
    for epoch in range(8):
        _, kept, boxes = clips.clip(0, epoch)
        places = [int(np.flatnonzero((corners == box).all(1))[0]) for box in kept.boxes]
        assert np.array_equal(kept.actions, np.eye(3, dtype=bool)[places])
        assert ((boxes >= 0) & (boxes <= 1)).all()
        counts.add(len(boxes))
    assert min(counts) < 3


def test_a_test_clip_is_whole_its_box_a_little_wider_and_the_box_reported_as_it_was(film):
    clip, kept, boxes = KeyframeClips([keyframe(film, frame=4)], **PLAIN, train=False).clip(0)
    assert clip.shape == (3, 3, 48, 80)
    assert boxes == pytest.approx(np.array([[0.39, 0.2375, 0.61, 0.7625]])) and kept.boxes is not boxes
    assert kept.boxes.tolist() == PLACE.tolist()
    smaller = KeyframeClips([keyframe(film, frame=4)], **{**PLAIN, "short": 32}, train=False).clip(0)[0]
    assert smaller.shape == (3, 3, 32, 56), "53 rounded to whole patches"


def test_of_too_many_boxes_the_surest_are_kept(film):
    many = keyframe(film, np.repeat(PLACE, LIMIT + 7, 0), frame=4)
    many = replace(many, scores=np.linspace(0, 1, LIMIT + 7))
    _, kept, _ = KeyframeClips([many], **PLAIN, train=False).clip(0)
    assert kept.scores.min() == pytest.approx(7 / (LIMIT + 6)) and len(kept.scores) == LIMIT


def test_batches_number_their_boxes_by_clip_and_a_broken_file_is_replaced_and_named(film, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    nobody = keyframe(film, np.zeros((0, 4)), frame=2)
    clips = KeyframeClips([keyframe(film, frame=4), keyframe(bad, frame=4), nobody], **PLAIN, cache=True)
    batch = clips.batch([(0, 2), (0, 0), (0, 0)])
    assert batch.clips.shape == (3, 3, 3, 48, 80) and batch.regions.shape == (2, 7)
    assert batch.regions[:, 0].tolist() == [1, 2] and batch.regions[:, 5:].eq(1).all()
    steps = list(ClipLoader(clips, 3, epochs=2))
    assert len(steps) == 2 and [r.index for r in steps[0].replaced] == [1] and list(clips.broken) == [("bad", 1.0)]
    with pytest.raises(DataError, match="none of the 1 keyframes can be read"):
        KeyframeClips([keyframe(bad, frame=4)], **PLAIN).batch([(0, 0)])


def test_sizes_that_do_not_fit_the_patches_are_refused(film):
    with pytest.raises(OptionError, match="multiples of the patch of 8"):
        KeyframeClips([keyframe(film)], **{**PLAIN, "short": 44})
    with pytest.raises(DataError, match="no keyframes"):
        KeyframeClips([], **PLAIN)


def test_colours_change_a_little_and_differ_between_epochs(film):
    clips = KeyframeClips([keyframe(film, frame=4)], **{**PLAIN, "colour": True})
    first, second = (clips.clip(0, epoch)[0].float() for epoch in (0, 1))
    plain = KeyframeClips([keyframe(film, frame=4)], **PLAIN).clip(0)[0].float()
    assert not torch.equal(first, second) and float((first - plain).abs().max()) <= 0.1 * 255 + 2


def test_the_tracks_of_stories_are_keyframes_whose_motion_is_that_of_the_moment(tmp_path):
    spec = shapes.ShapesSpec(story="all", clips=8, val=0, size=32)
    manifest = read_manifest(shapes.write(tmp_path, spec))
    found = of_tracks(manifest)
    assert found.classes == shapes.STORY_CLASSES["motion"] and [k.frame for k in found] == [12] * 8
    assert [len(k.boxes) for k in found] == [2] * 4 + [1] * 4 and all(k.actions.sum(1).tolist() for k in found)
    for keyframe, sample in zip(found, manifest, strict=True):
        assert keyframe.boxes.tolist() == [list(track.boxes[12]) for track in sample.tracks]
        assert keyframe.actions.argmax(1).tolist() == [track.labels["motion"][12] for track in sample.tracks]
        assert keyframe.group == sample.group
    early = of_tracks(manifest, at=0.0)
    assert any((a.actions != b.actions).any() for a, b in zip(found, early, strict=True)), "a turn has two motions"
    half = replace(manifest, samples=(*manifest.samples[:6], *(replace(s, tracks=()) for s in manifest.samples[6:])))
    assert len(of_tracks(half)) == 6 and of_tracks(half).counts == {"no tracks": 2}
    with pytest.raises(DataError, match="no tracks with named classes of 'motion'"):
        of_tracks(half[6:])
