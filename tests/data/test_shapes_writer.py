"""moving_shapes as files: written once, completed after a stop, plain H.264 that reads back."""

from dataclasses import replace

import av
import numpy as np
import pytest

from mvkit.data import shapes
from mvkit.data.manifest import read_manifest
from mvkit.errors import DataError

SMALL = shapes.ShapesSpec(clips=6, val=2, frames=13, size=32)


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
        drawn, luma = shapes.render(index, spec)[0].astype(float), np.array([0.299, 0.587, 0.114])
        assert np.abs((decoded(file) - drawn) @ luma).mean() < 3
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
