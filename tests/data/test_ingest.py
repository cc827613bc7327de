"""After ingest all readers agree, and nothing has changed but the coding."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from barcode import CLIPS, damage, read

from mvkit.data import ingest as ingest_module
from mvkit.data.frames import read_frames, readers_available
from mvkit.data.ingest import ingest
from mvkit.data.probe import probe
from mvkit.errors import DataError, OptionError

NAMES = [
    *["h264 open groups", "h264 refreshed without keyframes", "hevc open groups, B-frames", "mpeg4 avi, B-frames"],
    *["h264 ts, B-frames", "h264 10-bit", "h264 interlaced", "h264 full range", "h264 bt709", "h264 variable rate"],
    *["h264 turned 90", "h264 mirrored", "h264 edit list", "h264 one frame", "h264 two streams", "h264 bare stream"],
    *["vp9 webm odd size", "h264 4:4:4 odd size", "av1 mp4", "mjpeg avi", "h264 grey", "h264 with sound"],
]


@pytest.mark.parametrize("name", NAMES)
def test_after_ingest_every_reader_gives_every_frame_of_any_source(tmp_path, clip_file, name):
    source, numbers = clip_file(name), CLIPS[name].numbers
    (record,) = ingest([source], tmp_path, short_side=64)
    assert (record.state, record.frames, record.reason) == ("written", len(numbers), "")
    info = probe(record.target)
    assert (info.container[:3], info.codec, info.pixel_format, info.rotation) == ("mov", "h264", "yuv420p", 0)
    assert (info.has_b_frames, info.open_gop, info.variable_rate, info.orientation.mirrored) == (False,) * 4
    assert info.keyframes == tuple(range(0, len(numbers), 12))
    assert info.width % 2 == info.height % 2 == 0
    places = [n % len(numbers) for n in (30, 3, 39, 13, 12, 11)]
    for reader in readers_available():
        assert read(read_frames(record.target, places, reader)) == [numbers[p] for p in places], reader


@pytest.mark.parametrize(
    "name", ["h264 closed", "h264 bt709", "h264 full range", "h264 turned 270", "vp8 webm, hidden references"]
)
def test_ingest_keeps_the_colours(tmp_path, clip_file, name):
    (record,) = ingest([clip_file(name)], tmp_path, short_side=64)
    before, after = (read_frames(p, [0, 20, 39]).astype(float) for p in (record.source, record.target))
    # A matrix or range taken for another moves these inks by 8 levels and more in one channel at least.
    assert abs(before.mean((0, 1, 2)) - after.mean((0, 1, 2))).max() < 2
    assert abs(before - after).mean() < 4


def test_the_short_side_shrinks_evenly_and_never_grows(tmp_path, shared):
    (record,) = ingest([shared / "clips" / "rotated_90.mov"], tmp_path, short_side=128)
    assert (probe(record.target).width, probe(record.target).height) == (128, 228)
    info, found = probe(record.source), []
    for width, height in ((1280, 720), (340, 256), (65, 49)):
        found.append(ingest_module.size(replace(info, width=width, height=height), 320))
    assert found == [(568, 320), (340, 256), (64, 48)]


def test_the_rate_and_the_sound_are_as_promised(tmp_path, clip_file):
    (uneven,) = ingest([clip_file("h264 variable rate")], tmp_path, short_side=64)
    assert probe(uneven.target).fps == pytest.approx(probe(uneven.source).fps, rel=1e-3)
    (loud,) = ingest([clip_file("h264 with sound")], tmp_path, short_side=64)
    with av.open(loud.target) as container:
        assert [s.type for s in container.streams] == ["video"]


def test_a_second_run_keeps_what_is_there_and_redoes_what_changed(tmp_path, clip_file):
    source = tmp_path / "in" / "clip.mp4"
    source.parent.mkdir()
    source.write_bytes(clip_file("h264 closed").read_bytes())
    states = [ingest([source], tmp_path / "out", short_side=s)[0].state for s in (64, 64, 32)]
    assert states == ["written", "kept", "written"]
    source.write_bytes(clip_file("h264 one frame").read_bytes())
    (record,) = ingest([source], tmp_path / "out", short_side=32)
    assert (record.state, probe(record.target).frames) == ("written", 1)


def test_a_damaged_or_broken_source_fails_alone_and_leaves_no_file(tmp_path, clip_file):
    folder = tmp_path / "in"
    folder.mkdir()
    damage(clip_file("h264 closed"), folder / "a.mp4", [16])
    (folder / "b.mp4").write_text("no video")
    (folder / "c.mp4").write_bytes(clip_file("h264 closed").read_bytes())
    done = []
    records = ingest(sorted(folder.iterdir()), tmp_path / "out", progress=lambda *step: done.append(step[:2]), jobs=2)
    assert [r.state for r in records] == ["failed", "failed", "written"]
    assert "32 of 40 frames good, first bad 16 " in records[0].reason and "not a readable video" in records[1].reason
    assert [p.name for p in (tmp_path / "out").rglob("*.mp4")] == ["c.mp4"]
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_an_interrupted_ingest_leaves_no_part_and_no_half_file(tmp_path, clip_file, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ingest_module, "probe", stop)
    with pytest.raises(KeyboardInterrupt):
        ingest([clip_file("h264 closed")], tmp_path)
    monkeypatch.undo()
    real = ingest_module._upright

    def half(*args):
        for count, frame in enumerate(real(*args)):
            if count == 20:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(ingest_module, "_upright", half)
    with pytest.raises(KeyboardInterrupt):
        ingest([clip_file("h264 closed")], tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def _copies(clip: Path, folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(clip.read_bytes())
    return [folder / name for name in names]


def test_the_place_of_a_file_depends_on_that_file_alone(tmp_path, clip_file, monkeypatch):
    files = _copies(clip_file("h264 one frame"), tmp_path, "x/a.mp4", "y/a.mp4", "x/z/a.mp4", "x/a.mov", "x/a.mov.mp4")
    together = ingest(files, tmp_path / "out")
    targets = [Path(record.target) for record in together]
    assert [record.state for record in together] == ["written"] * 5 and len(set(targets)) == 5
    assert [target.name for target in targets] == ["a.mp4", "a.mp4", "a.mp4", "a.mov.mp4", "a.mov.mp4.mp4"]
    assert targets[0].parent == targets[3].parent == targets[4].parent
    assert targets[0].parent.name.startswith("x-") and targets[1].parent.name.startswith("y-")
    monkeypatch.chdir(tmp_path / "x")
    (tmp_path / "link").symlink_to(tmp_path / "y", target_is_directory=True)
    alone = [files[0], tmp_path / "link" / "a.mp4", "z/a.mp4", "a.mov", tmp_path / "y" / ".." / "x" / "a.mov.mp4"]
    for source, target in zip(alone, targets, strict=True):
        (record,) = ingest([source], tmp_path / "out")
        assert (record.state, Path(record.target)) == ("kept", target)


def test_below_a_stated_root_the_folders_are_kept(tmp_path, clip_file):
    files = _copies(clip_file("h264 one frame"), tmp_path / "in", "x/a.mp4", "x/y/a.mp4", "a", "a.mp4")
    both = ingest(files[:2], tmp_path / "out", root=tmp_path / "in")
    assert [record.target for record in both] == [str(tmp_path / "out/x/a.mp4"), str(tmp_path / "out/x/y/a.mp4")]
    with pytest.raises(DataError, match="written over itself"):
        ingest(files[:1], tmp_path / "in", root=tmp_path / "in")
    with pytest.raises(DataError, match="not below root"):
        ingest(files[:1], tmp_path / "out", root=tmp_path / "in" / "x" / "y")
    with pytest.raises(DataError, match="would both be written to"):
        ingest(files[2:], tmp_path / "out")
    assert ingest([], tmp_path / "out") == []


def test_a_file_given_twice_is_written_whole(tmp_path, clip_file):
    records = ingest([clip_file("h264 closed")] * 4, tmp_path, jobs=4)
    assert len({record.target for record in records}) == 1 and "failed" not in {record.state for record in records}
    assert probe(records[0].target).frames == 40


def test_a_short_side_of_a_few_pixels_is_refused(tmp_path, clip_file):
    with pytest.raises(OptionError, match="16 pixels or more, got 8"):
        ingest([clip_file("h264 closed")], tmp_path, short_side=8)


def test_ingested_pixels_are_the_same_bytes_in_every_reader(tmp_path, shared):
    (record,) = ingest([shared / "clips" / "hevc.mp4"], tmp_path, short_side=96)
    expected = read_frames(record.target, [9, 0, 5], "av").astype(int)
    for reader in readers_available():
        assert np.abs(read_frames(record.target, [9, 0, 5], reader) - expected).max() <= 2
