"""After ingest all readers agree, and nothing has changed but the coding."""

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
    assert (info.has_b_frames, info.open_gop, info.variable_rate, info.mirrored) == (False, False, False, False)
    assert info.keyframes == tuple(range(0, len(numbers), 12))
    assert info.width % 2 == info.height % 2 == 0
    places = [n % len(numbers) for n in (30, 3, 39, 13, 12, 11)]
    for reader in readers_available():
        assert read(read_frames(record.target, places, reader)) == [numbers[p] for p in places], reader


@pytest.mark.parametrize(
    "name", ["h264 closed", "h264 bt709", "h264 full range", "h264 turned 270", "vp8 webm, hidden references"]
)
def test_ingest_keeps_the_colours(tmp_path, clip_file, name):
    (record,) = ingest([clip_file(name)], tmp_path, short_side=64, crf=4)
    before, after = (read_frames(p, [0, 20, 39]).astype(float) for p in (record.source, record.target))
    # A matrix or range taken for another moves these inks by 8 levels and more in one channel at least.
    assert abs(before.mean((0, 1, 2)) - after.mean((0, 1, 2))).max() < 2
    assert abs(before - after).mean() < 4


def test_the_short_side_shrinks_evenly_and_never_grows(tmp_path, shared):
    (record,) = ingest([shared / "clips" / "rotated_90.mov"], tmp_path, short_side=128)
    assert (probe(record.target).width, probe(record.target).height) == (128, 228)
    size = ingest_module.Recipe().size
    assert size(1280, 720) == (568, 320) and size(340, 256) == (340, 256) and size(65, 49) == (64, 48)


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
    assert "damaged near frame 1" in records[0].reason and "not a readable video" in records[1].reason
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["c.mp4"]
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
    assert list(tmp_path.iterdir()) == []


def test_folders_are_kept_and_two_files_never_share_a_target(tmp_path, clip_file):
    data = clip_file("h264 one frame").read_bytes()
    for name in ("in/x/a.mp4", "in/y/a.mp4", "in/x/a.mov"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    both = ingest([tmp_path / "in/x/a.mp4", tmp_path / "in/y/a.mp4"], tmp_path / "out")
    assert [r.target for r in both] == [str(tmp_path / "out/x/a.mp4"), str(tmp_path / "out/y/a.mp4")]
    with pytest.raises(DataError, match=r"a\.mov and .*a\.mp4 would both be written to"):
        ingest([tmp_path / "in/x/a.mp4", tmp_path / "in/x/a.mov"], tmp_path / "out")
    with pytest.raises(DataError, match="written over itself"):
        ingest([tmp_path / "in/x/a.mp4"], tmp_path / "in/x")
    with pytest.raises(DataError, match="not below root"):
        ingest([tmp_path / "in/x/a.mp4"], tmp_path / "out", root=tmp_path / "in/y")
    assert ingest([], tmp_path / "out") == []


@pytest.mark.parametrize("setting", [{"short_side": 8}, {"gop": 0}, {"crf": 99}, {"preset": "quick"}])
def test_a_setting_out_of_range_is_refused(tmp_path, clip_file, setting):
    with pytest.raises(OptionError):
        ingest([clip_file("h264 closed")], tmp_path, **setting)


def test_ingested_pixels_are_the_same_bytes_in_every_reader(tmp_path, shared):
    (record,) = ingest([shared / "clips" / "hevc.mp4"], tmp_path, short_side=96)
    expected = read_frames(record.target, [9, 0, 5], "av").astype(int)
    for reader in readers_available():
        assert np.abs(read_frames(record.target, [9, 0, 5], reader) - expected).max() <= 2
