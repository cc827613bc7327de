"""Files that are no video, or only part of one: one line that names the file and what is wrong with it."""

import os
import re
from dataclasses import replace
from pathlib import Path

import av
import pytest
from barcode import CLIPS, damage, read, write, write_sound

from mvkit.data.audit import audit
from mvkit.data.frames import read_frames, readers_available
from mvkit.data.ingest import ingest
from mvkit.data.probe import probe
from mvkit.errors import DataError


def _cut(source: Path, target: Path, at: int | None = None) -> Path:
    """The file up to byte `at`, or six tenths of it."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * 0.6) if at is None else at])
    return target


def _no_pictures(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        out.start_encoding()
    return path


def _made(folder: Path, clip_file) -> dict[str, tuple[Path, str]]:
    """Name -> file, and what its message must say."""

    def text(name: str, content: str) -> Path:
        path = folder / name
        path.write_text(content, encoding="utf-8")
        return path

    (folder / "folder.mp4").mkdir()
    (folder / "empty.mp4").touch()
    closed = clip_file("h264 closed")
    front = write(folder / "front.mp4", CLIPS["h264 closed"].__class__(muxing={"movflags": "faststart"}))
    made = {
        "missing": (folder / "nowhere.mp4", "no such file"),
        "empty": (folder / "empty.mp4", "empty"),
        "folder": (folder / "folder.mp4", "a folder"),
        "text": (text("notes.mp4", "no video\n" * 99), "not a readable video"),
        "text by its name": (text("notes.txt", "no video\n" * 99), "text, wanted a video"),
        "list of files": (text("list.mp4", f"ffconcat version 1.0\nfile '{closed}'\n"), "not a readable video"),
        "playlist": (
            text("list.m3u8", f"#EXTM3U\n#EXTINF:1,\n{closed}\n#EXT-X-ENDLIST\n"),
            "not a readable|a playlist",
        ),
        "sound only": (write_sound(folder / "sound.mp4"), "no video stream in it, only audio"),
        "no pictures mp4": (_no_pictures(folder / "none.mp4"), "no video stream|zero frames"),
        "no pictures mkv": (_no_pictures(folder / "none.mkv"), "not a readable video|zero frames"),
        "cut, index lost": (_cut(closed, folder / "end.mp4"), "not a readable video"),
        "cut, index kept": (_cut(front, folder / "start.mp4"), r"holds \d+ of the 40 frames"),
    }
    for name in ("h264 mkv", "vp9 webm", "mpeg4 avi", "h264 flv"):
        path = clip_file(name)
        made[f"cut {name}"] = (_cut(path, folder / f"cut {name}{path.suffix}"), "cut short, it holds")
    # Well before the head of the last fragment: a cut right through a head may leave a file that FFmpeg cannot open.
    fragments = clip_file("h264 fragments")
    head = fragments.read_bytes().rindex(b"moof")
    made["cut in a fragment"] = (_cut(fragments, folder / "frag.mp4", at=head - 2000), "cut short, it holds")
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory, clip_file) -> dict[str, tuple[Path, str]]:
    return _made(tmp_path_factory.mktemp("bad"), clip_file)


def test_every_bad_file_is_refused_in_one_line_that_names_it(made):
    for name, (path, says) in made.items():
        for ask in (probe, lambda p: read_frames(p, [0]), lambda p: read_frames(p, [0], "decord")):
            with pytest.raises(DataError, match=says) as caught:
                ask(path)
            assert str(path) in str(caught.value), name
            assert "\n" not in str(caught.value), name


def test_an_audit_names_every_bad_file_and_goes_on(made, clip_file):
    files = [path for path, _ in made.values()]
    records = audit([*files, clip_file("h264 closed")], ["av"])
    assert [r.path for r in records[:-1]] == [str(p) for p in files]
    for name, record in zip(made, records[:-1], strict=True):
        assert record.state == ("short" if "holds" in made[name][1] else "unreadable"), name
        assert record.reason and not record.exact, name
    assert records[-1].exact == ("av",)
    kept = records[list(made).index("cut, index kept")]
    assert kept.frames == 40
    assert 0 < kept.sound < 40


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(DataError, match="not an ordinary file"):
        probe(tmp_path / "pipe.mp4")


@pytest.mark.parametrize(
    "name", ["two words.mp4", "längs 視频 🎬.mp4", "a:b%03d#?.mp4", "-y.mp4", "http:--x.mp4", "it's.mp4"]
)
def test_a_file_may_be_named_anything(tmp_path, monkeypatch, clip_file, name):
    if os.name == "nt" and set(name) & set(':?"'):
        pytest.skip("no such names on Windows")
    (tmp_path / name).write_bytes(clip_file("h264 closed").read_bytes())
    monkeypatch.chdir(tmp_path)
    for reader in readers_available():
        assert read(read_frames(name, [30, 2], reader)) == [30, 2]


def _good_one_by_one(path: Path, count: int) -> list[int]:
    """Numbers of the frames that can be read alone; each shows its own number."""
    good = []
    for number in range(count):
        try:
            assert read(read_frames(path, [number])) == [number]
            good.append(number)
        except DataError as err:
            assert f"{path}: frame {number} is damaged; " in str(err)
    return good


def _said_by_all(path: Path, bad: int) -> set[str]:
    """What reading, the audit and ingest say of the good frames and the first bad one."""
    with pytest.raises(DataError) as whole:
        read_frames(path, range(probe(path).frames))
    with pytest.raises(DataError) as one:
        read_frames(path, [bad])
    (examined,), (ingested,) = audit([path], ["av"]), ingest([path], path.parent / "out")
    assert (examined.state, ingested.state) == ("damaged", "failed")
    texts = [str(whole.value), str(one.value), examined.reason, ingested.reason]
    assert not any("\n" in text for text in texts)
    return {
        found[0] if (found := re.findall(r"\d+ of \d+ frames good, first bad \d+ \(.*?\)", text)) else text
        for text in texts
    }


@pytest.mark.parametrize("picture", [12, 13, 15, 16])
@pytest.mark.parametrize("name", ["h264 closed", "h264 closed, B-frames", "h264 open groups"])
def test_reading_the_audit_and_ingest_name_the_same_first_bad_frame(tmp_path, clip_file, name, picture):
    path = damage(clip_file(name), tmp_path / "damaged.mp4", [picture])
    good = _good_one_by_one(path, 40)
    assert {*range(9), *range(24, 40)} <= set(good) < set(range(40))
    first = min(set(range(40)) - set(good))
    (said,) = _said_by_all(path, max(set(range(40)) - set(good)))
    assert said.startswith(f"{len(good)} of 40 frames good, first bad {first} (")


@pytest.mark.parametrize("picture", [1, 8, 25])
def test_a_keyframe_by_its_flag_only_heals_no_damage(tmp_path, clip_file, picture):
    # Refreshed column by column: the pictures after such a keyframe still show what came before it.
    path = damage(clip_file("h264 refreshed without keyframes"), tmp_path / "damaged.mp4", [picture])
    good = _good_one_by_one(path, 40)
    assert good == list(range(picture))
    (said,) = _said_by_all(path, 39)
    assert said.startswith(f"{picture} of 40 frames good, first bad {picture} (")


def test_where_frames_are_counted_all_from_the_damage_on_are_bad_for_everyone(tmp_path, clip_file):
    path = damage(clip_file("h264 avi, B-frames"), tmp_path / "damaged.avi", [20])
    good = _good_one_by_one(path, 40)
    assert good == list(range(len(good))) and 10 < len(good) < 25
    (said,) = _said_by_all(path, 39)
    assert said.startswith(f"{len(good)} of 40 frames good, first bad {len(good)} (")


def test_a_frame_of_another_size_is_a_bad_frame(tmp_path, monkeypatch):
    small, large = (write(tmp_path / f"{w}.h264", replace(CLIPS["h264 bare stream"], width=w)) for w in (64, 96))
    path = tmp_path / "both.h264"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    assert read(read_frames(path, [39])) == [39]
    (said,) = _said_by_all(path, 79)
    assert said == "40 of 80 frames good, first bad 40 (its size changes from 64x48 to 96x48)"


def test_damage_is_found_before_a_reader_that_would_hide_it_is_believed(tmp_path, clip_file):
    pytest.importorskip("decord")
    path = damage(clip_file("h264 closed"), tmp_path / "damaged.mp4", [16])
    with pytest.raises(DataError, match=r"32 of 40 frames good, first bad 16 \(.*which decord would hide"):
        read_frames(path, [0], "decord")


def test_the_damaged_real_clip_gives_its_sound_frames_only(shared, tmp_path):
    path = shared / "clips" / "corrupted.mp4"
    assert read_frames(path, [0, 14, 28]).shape == (3, 720, 1280, 3)
    for number in (29, 31, 49):
        with pytest.raises(DataError, match=f"frame {number} is damaged; 29 of 50 frames good, first bad 29 "):
            read_frames(path, [number])
    (record,), (ingested,) = audit([path], ["av", "decord"]), ingest([path], tmp_path)
    assert (record.state, record.frames, record.sound, record.exact) == ("damaged", 50, 29, ())
    assert record.reason.startswith("29 of 50 frames good, first bad 29 ") and record.reason in ingested.reason


@pytest.mark.parametrize("name", ["h264 mkv", "vp9 webm", "h264 mkv, B-frames"])
def test_a_container_that_lost_packets_never_shifts_the_numbers(tmp_path, clip_file, name):
    data, refused = clip_file(name).read_bytes(), 0
    for share in (0.3, 0.45, 0.6, 0.75):
        path = tmp_path / f"{share}{clip_file(name).suffix}"
        at = int(len(data) * share)
        path.write_bytes(data[:at] + b"\x91" * 50 + data[at:])
        for number in (0, 12, 25, 39):
            try:
                assert read(read_frames(path, [number])) == [number]
            except DataError:
                refused += 1
    assert refused


def test_reading_leaves_the_log_settings_of_pyav_alone(tmp_path, clip_file):
    before = (av.logging.get_level(), av.logging.get_skip_repeated())
    damaged = damage(clip_file("h264 closed"), tmp_path / "damaged.mp4", [16])
    read_frames(damaged, [3])
    with pytest.raises(DataError, match="Invalid NAL unit size"):
        read_frames(damaged, [17])
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before
