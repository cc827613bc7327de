"""Samples read whole: parts of a file, images, folders of frames, and sets as arrays."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from mvkit.data import shapes
from mvkit.data.dataset import ClipDataset
from mvkit.data.manifest import Manifest, read_manifest
from mvkit.data.sample import Sample
from mvkit.data.store import load_arrays, sample_length
from mvkit.errors import DataError

SPEC = shapes.ShapesSpec(clips=18, val=2, frames=9, size=32)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Manifest:
    return read_manifest(shapes.write(tmp_path_factory.mktemp("shapes"), SPEC))


def test_images_and_folders_of_frames_are_clips_too(tmp_path):
    folder = tmp_path / "some frames"
    folder.mkdir()
    for number in range(1, 13):
        Image.new("RGB", (26, 24), (number * 10, 0, 0)).save(folder / f"img_{number}.png")
    Image.new("RGB", (26, 24), (7, 7, 7)).save(tmp_path / "still.png")
    manifest = Manifest((Sample(folder, {"label": 1}, frames=12), Sample(tmp_path / "still.png")))
    dataset = ClipDataset(manifest, 4, 2, 24, "centre", sampling="first")
    clips = dataset.batch([(0, 0), (0, 1)])
    assert clips.clips[0, 0, :, 0, 0].tolist() == [10, 30, 50, 70]  # by number: img_10 is not the second
    assert (clips.clips[1] == 7).all()
    assert clips.labels["label"].tolist() == [1, -1]
    span = Manifest((Sample(folder, first=9, frames=3),))
    clip, _ = ClipDataset(span, 2, 1, 24, "centre", sampling="first")[0]
    assert clip[0, :, 0, 0].tolist() == [90, 100]
    with pytest.raises(DataError, match="4 frames from number 9 on, where its list says 5"):
        sample_length(Sample(folder, first=9, frames=5))


def test_start_and_end_seconds_cut_the_file(manifest):
    sample = replace(manifest[0], start=0.25, end=0.5)  # 12 frames a second: frames 3, 4, 5
    assert sample_length(sample) == (3, 3)
    clip, _ = ClipDataset(replace(manifest, samples=(sample,)), 3, 1, 32, "none", sampling="first")[0]
    whole = load_arrays(manifest[:1])[:, 3:5]
    assert torch.equal(clip[:, :2], whole[0].permute(3, 0, 1, 2))
    assert torch.equal(load_arrays(replace(manifest, samples=(sample,)), 3)[0, :2], whole[0])
    with pytest.raises(DataError, match="is not in it"):
        sample_length(replace(sample, start=5.0, end=6.0))


def test_arrays_name_files_that_are_short_or_missing(manifest, tmp_path):
    with pytest.raises(DataError, match=r"18 of 18 samples cannot be loaded: .*9 frames, wanted 10"):
        load_arrays(manifest, 10)
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(DataError, match=r"1 of 18 .*text\.mp4"):
        samples = [replace(manifest[0], path=tmp_path / "text.mp4"), *manifest[1:]]
        load_arrays(replace(manifest, samples=tuple(samples)))


def test_a_part_that_is_not_there_does_not_break_the_rest_of_the_file(manifest):
    gone, there = replace(manifest[0], start=8.0, end=9.0), replace(manifest[0], start=0.0, end=0.5)
    dataset = ClipDataset(replace(manifest, samples=(gone, there)), 4, 1, 32, "none", sampling="first")
    batch = dataset.batch([(0, 0), (0, 1)])
    assert batch.indices.tolist() == [1, 1]
    assert [(item.index, item.by) for item in batch.replaced] == [(0, 1)]
    assert "is not in it" in dataset.broken[gone.path]
