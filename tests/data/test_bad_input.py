"""Files that are no video, or only part of one: one line that names the file and what is wrong with it."""

import os
from pathlib import Path

import av
import pytest
from barcode import CLIPS, damage, read, write, write_sound

from mvkit.data.audit import audit
from mvkit.data.frames import read_frames, readers_available
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


@pytest.mark.parametrize("picture", [12, 13, 15, 16])
@pytest.mark.parametrize("name", ["h264 closed", "h264 closed, B-frames", "h264 open groups"])
def test_a_frame_built_on_damage_is_refused_and_every_other_one_is_right(tmp_path, clip_file, name, picture):
    path = damage(clip_file(name), tmp_path / "damaged.mp4", [picture])
    given, refused = {}, []
    for number in range(40):
        try:
            given[number] = read(read_frames(path, [number]))[0]
        except DataError as err:
            assert f"frame {number} of 40 is damaged" in str(err) or f"frame {number} of 40 is missing" in str(err)
            refused.append(number)
    assert given == {n: n for n in given}
    assert set(range(24, 40)) <= set(given) and set(range(9)) <= set(given)
    assert refused
    # The same frames in one request and by a full decode: the verdict does not depend on how one asks.
    with pytest.raises(DataError, match=r"is damaged|is missing"):
        read_frames(path, range(40))
    (record,) = audit([path], ["av"])
    assert (record.state, record.frames, record.sound) == ("damaged", 40, len(given))
    assert f"frame {refused[0]}" in record.reason


def test_damage_is_found_before_a_reader_that_would_hide_it_is_believed(tmp_path, clip_file):
    pytest.importorskip("decord")
    path = damage(clip_file("h264 closed"), tmp_path / "damaged.mp4", [16])
    with pytest.raises(DataError, match="which decord would hide"):
        read_frames(path, [0], "decord")


def test_counted_frames_are_refused_from_the_damage_on(tmp_path, clip_file):
    path = damage(clip_file("h264 avi, B-frames"), tmp_path / "damaged.avi", [20])
    first = read_frames(path, range(10))
    assert read(first) == list(range(10))
    with pytest.raises(DataError, match=r"frame 39 of 40 is at or after damage"):
        read_frames(path, [39])


def test_the_damaged_real_clip_gives_its_sound_frames_only(shared):
    path = shared / "clips" / "corrupted.mp4"
    assert read_frames(path, [0, 14, 28]).shape == (3, 720, 1280, 3)
    for number in (29, 31, 49):
        with pytest.raises(DataError, match=f"frame {number} of 50 is damaged"):
            read_frames(path, [number])
    (record,) = audit([path], ["av", "decord"])
    assert (record.state, record.frames, record.sound, record.exact) == ("damaged", 50, 29, ())


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
