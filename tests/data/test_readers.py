"""Every reader on every kind of stream: the frames asked for, or a refusal; never other frames."""

import random
from dataclasses import replace
from threading import Event

import av
import numpy as np
import pytest
from barcode import CLIPS, read

from mvkit.data import frames as frames_module
from mvkit.data.frames import read_frames, readers_available
from mvkit.data.probe import probe
from mvkit.errors import DataError, OptionError
from mvkit.plugins import available

READERS = available("mvkit.data.readers")
REAL = ["arm_wrestling.mp4", "flipping_a_pancake.mkv", "ucf_like.avi", "hevc.mp4", "rotated_90.mov"]
DECORD_EXACT = [
    *["h264 closed", "h264 closed, B-frames", "h264 one keyframe", "h264 keyframes only", "h264 full range"],
    *["h264 bt709", "h264 variable rate", "h264 turned 90", "h264 turned 180", "h264 turned 270", "h264 grey"],
    *["h264 with sound", "h264 fragments", "h264 one frame", "h264 mkv", "h264 mkv, B-frames", "h264 late start"],
    "h264 mkv, variable rate",
]


def requests(count: int) -> list[list[int]]:
    """Ways of asking: all, backwards, strided, repeats, at random, and one frame at a time."""
    draw = random.Random(count)
    several = [list(range(count)), list(range(count))[::-1], list(range(0, count, 4)), [count - 1, 0, count - 1, 0]]
    return [*several, draw.choices(range(count), k=12), *([n] for n in draw.sample(range(count), min(count, 14)))]


def wrong(path, numbers: list[int], reader: str) -> list[tuple[int, int]]:
    """(frame asked for, number it shows) of every frame that shows another number."""
    asked = [(n, numbers[n]) for request in requests(len(numbers)) for n in request]
    shown = [n for request in requests(len(numbers)) for n in read(read_frames(path, request, reader))]
    return [(n, got) for (n, expected), got in zip(asked, shown, strict=True) if got != expected]


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("reader", ["auto", "av"])
def test_auto_and_pyav_give_exactly_the_frames_asked_for_on_every_stream(clip_file, name, reader):
    assert wrong(clip_file(name), CLIPS[name].numbers, reader) == []


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("reader", [r for r in READERS if r != "av"])
def test_another_reader_gives_exactly_those_frames_or_refuses_the_stream(clip_file, name, reader):
    if reader not in readers_available():
        with pytest.raises(DataError, match="not available"):
            read_frames(clip_file(name), [0], reader)
        return
    try:
        assert wrong(clip_file(name), CLIPS[name].numbers, reader) == []
        refused = False
    except DataError as err:
        assert f"{reader} is not known to be exact on" in str(err)
        assert "reader='auto'" in str(err)
        refused = True
    if reader == "decord":
        assert refused == (name not in DECORD_EXACT)


@pytest.mark.parametrize("name", ["h264 closed", "h264 closed, B-frames", "h264 turned 90", "h264 bt709", "h264 mkv"])
def test_all_readers_give_the_same_pixels_where_they_are_trusted(clip_file, name):
    path = clip_file(name)
    expected = read_frames(path, [30, 3, 17], "av").astype(int)
    for reader in readers_available():
        # The same bytes where both run the same FFmpeg arithmetic; two levels allow for another processor's.
        assert abs(read_frames(path, [30, 3, 17], reader) - expected).max() <= 2, reader


@pytest.mark.parametrize("file", REAL)
def test_real_clips_equal_a_full_decode_in_order(shared, file):
    path = shared / "clips" / file
    with av.open(str(path)) as container:
        full = [(f.to_ndarray(format="rgb24"), f.rotation) for f in container.decode(container.streams.best("video"))]
    info = probe(path)
    assert info.frames == len(full)
    draw = random.Random(7)
    for request in ([*range(0, info.frames, 9)][::-1], draw.choices(range(info.frames), k=8), [info.frames - 1]):
        got = read_frames(path, request)
        for frame, number in zip(got, request, strict=True):
            rgb, rotation = full[number]
            assert np.array_equal(frame, np.rot90(rgb, rotation // 90)), number


def test_a_turned_clip_is_upright_and_its_size_is_as_shown(shared, clip_file):
    info = probe(shared / "clips" / "rotated_90.mov")
    assert (info.width, info.height, info.rotation) == (320, 568, 270)
    assert read_frames(info.path, [0]).shape == (1, 568, 320, 3)
    mirrored = probe(clip_file("h264 mirrored"))
    assert mirrored.orientation == (0, True)


def test_colour_channels_are_red_green_blue(clip_file):
    frame = read_frames(clip_file("h264 closed"), [1])[0].reshape(-1, 3).astype(int)
    light = frame[frame[:, 1] > 120].mean(0)
    assert light[0] > light[1] + 20 > light[2] + 60


@pytest.mark.parametrize("indices", [[40], [-1], [0, 41, 3]])
def test_a_frame_out_of_range_is_refused_with_the_number_there_are(clip_file, indices):
    with pytest.raises(DataError, match=r"no frame (40|-1|41), it has 40 frames \(0 to 39\)"):
        read_frames(clip_file("h264 closed"), indices)


def test_frame_numbers_may_be_numpy_or_torch_integers_but_not_fractions(clip_file):
    path = clip_file("h264 closed")
    assert read(read_frames(path, np.array([3, 1, 3]))) == [3, 1, 3]
    assert read_frames(path, []).shape == (0, 48, 64, 3)
    with pytest.raises(DataError, match="whole numbers"):
        read_frames(path, np.linspace(0, 39, 4))


def test_an_unknown_reader_is_refused_with_the_known_ones(clip_file):
    with pytest.raises(OptionError, match=r"did you mean 'decord'.*auto, av, decord, torchcodec"):
        read_frames(clip_file("h264 closed"), [0], "decrod")


def test_probe_counts_what_is_shown_and_knows_the_structure(clip_file):
    info = probe(clip_file("h264 closed, B-frames"))
    assert (info.frames, info.fps, info.duration, info.has_b_frames) == (40, 25, 1.6, True)
    assert (info.open_gop, info.variable_rate, info.keyframes) == (False, False, (0, 12, 24, 36))
    assert probe(clip_file("h264 open groups")).open_gop
    assert probe(clip_file("h264 10-bit")).pixel_format == "yuv420p10le"
    uneven = probe(clip_file("h264 variable rate"))
    assert uneven.variable_rate and uneven.fps == pytest.approx(39 / ((39 * 24 + 5 * 40) / 600))
    trimmed = probe(clip_file("h264 edit list"))
    assert (trimmed.frames, trimmed.keyframes) == (35, (7, 19, 31))


def test_probe_notices_that_a_file_was_replaced(tmp_path, clip_file):
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip_file("h264 one frame").read_bytes())
    assert probe(path).frames == 1
    path.write_bytes(clip_file("h264 closed").read_bytes())
    assert probe(path).frames == 40


def test_a_landing_place_that_is_no_keyframe_is_noticed(clip_file):
    info = probe(clip_file("h264 closed"))
    # As a file with a false index would say: decoding may start at frame 30, which is made from those before it.
    false = replace(
        info, timeline=replace(info.timeline, keys=np.sort(np.append(info.timeline.keys, info.timeline.pts[30])))
    )
    assert read(frames_module._reader("av").read(false, [30, 33], 10.0)) == [30, 33]


def test_a_read_that_takes_too_long_ends_in_an_error(clip_file):
    with pytest.raises(DataError, match="over 0 s"):
        read_frames(clip_file("h264 closed"), [39], "av", timeout=0)


@pytest.mark.parametrize("name", [r for r in READERS if r != "av"])
def test_a_foreign_decoder_that_never_answers_ends_in_an_error(clip_file, monkeypatch, name):
    reader, waiting = frames_module._reader(name), Event()
    monkeypatch.setattr(type(reader), "decode", lambda *asked: waiting.wait(5))
    with pytest.raises(DataError, match=rf"{name} gave nothing in 0\.05 s"):
        reader.read(probe(clip_file("h264 closed")), [0], 0.05)
    waiting.set()
