"""moving_shapes as files: written once, completed after a stop, plain H.264 that reads back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from hashlib import sha256

import av
import numpy as np
import pytest

from mvkit.data import shapes
from mvkit.data.manifest import read_manifest
from mvkit.data.shapes.writer import encode
from mvkit.errors import DataError

SMALL = shapes.ShapesSpec(clips=6, val=2, frames=13, size=32)
LUMA = np.array([0.299, 0.587, 0.114])


def decoded(path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_files_are_written_once_completed_when_cut_and_read_back(tmp_path):
    folder, calls = tmp_path / "shapes é 1", []
    path = shapes.write(folder, SMALL, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i + 1, 6) for i in range(6)]
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    assert files == [*(f"clips/{i:06d}.mp4" for i in range(6)), "manifest.jsonl", "spec.json"]
    (tmp_path / "plain").touch()
    assert {file.stat().st_mode for file in folder.rglob("*.*")} == {(tmp_path / "plain").stat().st_mode}
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.rglob("*") if file.is_file()}

    def refuse(done, total):
        raise AssertionError("a whole set must not be written again")

    assert shapes.write(folder, SMALL, progress=refuse) == path
    path.unlink()
    (folder / "clips/000004.mp4").unlink()
    assert shapes.write(folder, SMALL) == path
    for file, (time, data) in before.items():
        assert file.read_bytes() == data
        if file.name not in ("manifest.jsonl", "000004.mp4"):
            assert file.stat().st_mtime_ns == time


def test_a_stop_in_the_middle_leaves_no_manifest_and_no_half_file(tmp_path):
    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shapes.write(tmp_path, SMALL, progress=stop)
    assert sorted(file.name for file in (tmp_path / "clips").iterdir()) == [f"{i:06d}.mp4" for i in range(3)]
    assert not (tmp_path / "manifest.jsonl").exists()
    whole = shapes.write(tmp_path / "other", SMALL).read_text()
    assert shapes.write(tmp_path, SMALL).read_text() == whole


def test_a_folder_of_another_spec_is_refused_by_what_differs(tmp_path):
    shapes.write(tmp_path, SMALL)
    with pytest.raises(DataError, match="with seed=0; use another folder"):
        shapes.write(tmp_path, replace(SMALL, seed=1))
    (tmp_path / "spec.json").write_text("{}")
    with pytest.raises(DataError, match="not the record of a moving_shapes set"):
        shapes.write(tmp_path, SMALL)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot make the folder"):
        shapes.write(tmp_path / "file", SMALL)


def test_the_same_frames_give_the_same_bytes_however_busy_the_machine_is():
    frames = shapes.render(2, SMALL)[0]
    with ThreadPoolExecutor(8) as pool:  # one in a few hundred differed
        assert len(set(pool.map(lambda _: encode(frames, 12), range(400)))) == 1


def test_a_set_of_plain_clips_has_the_key_and_the_words_it_had_before_there_were_stories(tmp_path):
    spec = shapes.ShapesSpec(clips=3, val=1, frames=5, size=32)
    assert shapes.ShapesSpec().key == "35581218a357"
    assert shapes.ShapesSpec(background=("dotted",), seed=3).key == "d2b6cbb57b99"
    shapes.write(tmp_path, spec)
    digests = {
        name: sha256((tmp_path / name).read_bytes()).hexdigest()[:16] for name in ("manifest.jsonl", "spec.json")
    }
    assert digests == {"manifest.jsonl": "1e5e3efc57d61347", "spec.json": "bad3739cbec3ad1f"}


def test_a_story_is_read_back_with_all_that_is_said_of_it(tmp_path):
    spec = shapes.ShapesSpec(clips=16, val=8, frames=5, size=32, story="all")
    manifest = read_manifest(shapes.write(tmp_path, spec))
    assert manifest.classes == shapes.STORY_CLASSES
    for index, sample in enumerate(manifest):
        truth = shapes.render(index, spec)[1]
        assert dict(sample.labels) == {name: truth[name] for name in shapes.STORY_CLASSES}
        assert (list(sample.captions), list(sample.qa)) == (truth["caption"], truth["qa"])
        assert (sample.group, list(sample.choices), sample.choice) == (
            truth["group"], truth["choices"], truth["choice"],
        )  # fmt: skip
        assert sample.choices[index % 4] == sample.caption
        assert [asdict(track) for track in sample.tracks] == [
            {"boxes": tuple(map(tuple, t["boxes"])), "labels": {k: tuple(v) for k, v in t["labels"].items()}}
            for t in truth["tracks"]
        ]
    with pytest.raises(DataError, match="with story='all'"):
        shapes.write(tmp_path, replace(spec, story="pair"))


def test_what_is_decoded_of_a_frame_of_a_story_depends_on_its_own_pixels_only(tmp_path):
    spec = shapes.ShapesSpec(clips=4, val=0, frames=13, size=32, story="pair")
    shapes.write(tmp_path, spec)
    clips = [decoded(tmp_path / f"clips/{index:06d}.mp4") for index in range(4)]
    assert all((clip[0] == clips[0][0]).all() for clip in clips)
    for index, clip in enumerate(clips):
        drawn = shapes.render(index, spec)[0]
        assert np.abs((clip - drawn.astype(float)) @ LUMA).mean() < 3
        (tmp_path / "one.mp4").write_bytes(encode(drawn[9:10], 12, alone=True))
        assert (decoded(tmp_path / "one.mp4")[0] == clip[9]).all()


def test_files_are_plain_h264_close_to_what_was_drawn(tmp_path):
    spec = shapes.ShapesSpec(clips=3, val=1, frames=26)
    path = shapes.write(tmp_path, spec)
    for index in range(3):
        file = tmp_path / f"clips/{index:06d}.mp4"
        with av.open(str(file)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert (stream.frames, float(stream.average_rate or 0)) == (26, 12.0)
            packets = [packet for packet in container.demux(stream) if packet.size]
            assert [i for i, packet in enumerate(packets) if packet.is_keyframe] == [0, 12, 24]
            assert [packet.pts for packet in packets] == [packet.dts for packet in packets]  # no B-frames
        drawn = shapes.render(index, spec)[0].astype(float)
        assert np.abs((decoded(file) - drawn) @ LUMA).mean() < 3
    manifest = read_manifest(path)
    assert manifest.card == "moving_shapes"
    assert manifest.classes == shapes.CLASSES
    assert [sample.split for sample in manifest] == ["train", "train", "val"]
    for index, sample in enumerate(manifest):
        _, truth = shapes.render(index, spec)
        assert dict(sample.labels) == {name: truth[name] for name in ("appearance", "motion")}
        assert (sample.caption, list(sample.qa)) == (truth["caption"], truth["qa"])
        assert np.allclose(sample.boxes, truth["boxes"])
        assert sample.path.is_file()
