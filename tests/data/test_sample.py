"""Samples as lists give them: tracks and choices are read whole, or their line is named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mvkit.data.manifest import read_manifest
from mvkit.data.sample import Sample, Track
from mvkit.errors import DataError

TRACK = {"boxes": [[0, 0.25, 0.5, 1], [0.1, 0.2, 0.3, 0.4]], "labels": {"motion": [3, 0]}}
LINE = {"path": "a.mp4", "group": "pair-000001", "choices": ["left", "right"], "choice": 1, "tracks": [TRACK]}


def read(tmp_path, *lines, **options):
    path = tmp_path / "list.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return read_manifest(path, **options)


def test_groups_choices_and_tracks_are_read_as_they_are_written(tmp_path):
    (sample,) = read(tmp_path, LINE)
    assert (sample.group, sample.choices, sample.choice) == ("pair-000001", ("left", "right"), 1)
    assert sample.tracks == (Track(((0, 0.25, 0.5, 1), (0.1, 0.2, 0.3, 0.4)), {"motion": (3, 0)}),)


def test_a_sample_has_none_of_them_by_default():
    plain = Sample(Path("a.mp4"))
    assert (plain.group, plain.choices, plain.choice, plain.tracks) == ("", (), None, ())
    assert replace(plain, choices=("a",), choice=0).choice == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choice": 2}, "choice is the place of the right one of choices"),
        ({"choice": -1}, "choice is the place"),
        ({"choice": True}, "choice is the place"),
        ({"choices": "left", "choice": 0}, "choice is the place"),
        ({"choices": ["left", 3], "choice": 0}, "choice is the place"),
        ({"group": 7}, "group must be text"),
        ({"tracks": [{"boxes": [[0, 0, 1, 1]]}]}, "tracks must be a list of boxes"),
        ({"tracks": [[1]]}, "tracks must be a list of boxes"),
        ({"tracks": 5}, "tracks must be a list"),
        ({"tracks": [{**TRACK, "boxes": [[0, 0, 1, 1], [0.5, 0, 1.01, 1]]}]}, "in 0..1, got .* at frame 1"),
        ({"tracks": [{**TRACK, "boxes": [[0, 0, 1, 1], [0.5, 0, 0.5, 1]]}]}, "at frame 1"),
        ({"tracks": [{**TRACK, "boxes": [[0, 0, 1, 1], [0.5, 0, 1]]}]}, "at frame 1"),
        ({"tracks": [{**TRACK, "labels": {"motion": [1]}}]}, "2 boxes wants as many classes of 'motion'"),
        ({"tracks": [{**TRACK, "labels": {"motion": [1, -1]}}]}, "classes of 'motion'"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_kept(tmp_path, change, message):
    with pytest.raises(DataError, match=f"list.jsonl:2: .*{message}"):
        read(tmp_path, LINE, {**LINE, **change})
    found = read(tmp_path, LINE, {**LINE, **change}, bad="list")
    assert len(found) == len(found.problems) == 1


def test_a_class_without_a_name_on_a_track_is_refused(tmp_path):
    head = {"mvkit_manifest": 1, "classes": {"motion": ["right", "down", "left"]}}
    with pytest.raises(DataError, match="label 3 of 'motion' has no name; 3 class names"):
        read(tmp_path, head, LINE)
