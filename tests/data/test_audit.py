"""The audit finds which readers lie about a file, survives what decoders do not, and is believed while it is true."""

import json
import signal
import sys
import time
from dataclasses import replace

import pytest
from barcode import read

from mvkit.data import audit as audit_module
from mvkit.data.audit import audit, load_audit, save_audit
from mvkit.data.frames import read_frames, readers_available
from mvkit.data.probe import probe
from mvkit.data.readers import _child
from mvkit.data.readers._examine import sample
from mvkit.errors import DataError, OptionError

NAMES = ["h264 closed", "h264 open groups", "vp9 webm", "mpeg4 avi, B-frames", "h264 10-bit"]


@pytest.fixture(scope="module")
def records(clip_file):
    return dict(zip(NAMES, audit([clip_file(n) for n in NAMES]), strict=True))


def test_pyav_is_found_exact_on_all_and_decord_where_it_is(records):
    pytest.importorskip("decord")
    assert all("av" in r.exact and r.state == "good" and r.frames == r.sound == 40 for r in records.values())
    assert {n for n, r in records.items() if "decord" in r.exact} == {"h264 closed", "vp9 webm"}
    assert records["mpeg4 avi, B-frames"].readers["decord"].startswith("gives frame ")
    assert "grey levels" in records["h264 10-bit"].readers["decord"]
    for name in {"decord", "torchcodec"} - set(readers_available()):
        assert "not available" in records["h264 closed"].readers[name]


def test_a_reader_is_compared_on_every_frame_of_a_stream_it_goes_wrong_on(records):
    assert records["h264 open groups"].checked == 40
    assert records["h264 closed"].checked < 40 or "torchcodec" in readers_available()


def test_the_audit_lets_a_reader_read_what_its_rules_leave_out(records, clip_file):
    pytest.importorskip("decord")
    path, record = clip_file("vp9 webm"), records["vp9 webm"]
    with pytest.raises(DataError, match="decord is not known to be exact on vp9 video"):
        read_frames(path, [3], "decord")
    assert read(read_frames(path, [39, 3, 20], "decord", audit=record)) == [39, 3, 20]


def test_the_audit_takes_from_a_reader_what_its_rules_allow(records, clip_file):
    pytest.importorskip("decord")
    lying = replace(records["h264 closed"], readers={"av": "exact", "decord": "gives frame 4 for frame 3"})
    with pytest.raises(DataError, match="decord is not exact on it: gives frame 4 for frame 3"):
        read_frames(clip_file("h264 closed"), [3], "decord", audit=lying)


def test_a_record_of_another_version_of_the_file_is_not_believed(records, clip_file):
    pytest.importorskip("decord")
    stale = replace(records["vp9 webm"], stamp=(1, 1))
    with pytest.raises(DataError, match="not known to be exact"):
        read_frames(clip_file("vp9 webm"), [3], "decord", audit=stale)


def test_an_audit_survives_json_and_moves_with_its_folder(tmp_path, clip_file):
    pytest.importorskip("decord")
    here = tmp_path / "here"
    here.mkdir()
    (here / "clip ä.webm").write_bytes(clip_file("vp9 webm").read_bytes())
    found = audit([here / "clip ä.webm"], ["av", "decord"])
    save_audit(found, here / "audit.json")
    assert list(load_audit(here / "audit.json").values()) == found
    assert not list(here.glob(".*"))
    here.rename(tmp_path / "there")
    known = load_audit(tmp_path / "there" / "audit.json")
    path = tmp_path / "there" / "clip ä.webm"
    assert known[str(path)].exact == ("av", "decord")
    assert read(read_frames(path, [7], "decord", audit=known)) == [7]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"format": "another"}', '{"format": "mvkit audit 1", "files": [{"a": 1}]}']
)
def test_what_is_no_audit_is_refused(tmp_path, content):
    (tmp_path / "audit.json").write_text(content)
    with pytest.raises(DataError, match=r"audit\.json"):
        load_audit(tmp_path / "audit.json")
    with pytest.raises(DataError, match="no audit to read"):
        load_audit(tmp_path / "nowhere.json")


def test_an_interrupted_audit_goes_on_with_what_has_not_changed(tmp_path, records, clip_file, monkeypatch):
    known = {r.path: r for r in records.values()}
    asked = []
    real = audit_module._examined
    monkeypatch.setattr(
        audit_module, "_examined", lambda child, path, *rest: asked.append(path) or real(child, path, *rest)
    )
    new = tmp_path / "new.mp4"
    new.write_bytes(clip_file("h264 one frame").read_bytes())
    calls = []
    again = audit(
        [*known, new], known=known, progress=lambda done, total, record: calls.append((done, total, record.frames))
    )
    assert asked == [new]
    assert again[:-1] == list(records.values())
    assert calls == [(i, 6, 40) for i in range(1, 6)] + [(6, 6, 1)]


def test_files_examined_side_by_side_keep_their_order(clip_file):
    names = ["h264 one frame", "h264 closed", "h264 one frame", "h264 closed"]
    assert [r.frames for r in audit([clip_file(n) for n in names], ["av"], jobs=2)] == [1, 40, 1, 40]


def _stand_in(monkeypatch, tmp_path, body: str) -> None:
    """Put another program in the place of the examining process."""
    script = tmp_path / "stand_in.py"
    script.write_text(
        f"import json, os, sys, time\nfor line in sys.stdin:\n    request = json.loads(line)\n    {body}\n"
    )
    start = _child.subprocess.Popen
    monkeypatch.setattr(_child.subprocess, "Popen", lambda command, **how: start([sys.executable, str(script)], **how))


CRASH_IN_DECORD = """
    print(json.dumps({"stage": "full decode"}), flush=True)
    print(json.dumps({"found": {"state": "good", "frames": 3, "sound": 3}}), flush=True)
    for name in request["readers"]:
        print(json.dumps({"stage": name}), flush=True)
        if name == "decord": os.kill(os.getpid(), 11)
        print(json.dumps({"verdict": {name: "exact"}}), flush=True)
    print(json.dumps({"done": True}), flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals as on Unix")
def test_a_reader_that_crashes_is_named_and_the_others_are_still_compared(monkeypatch, tmp_path):
    _stand_in(monkeypatch, tmp_path, CRASH_IN_DECORD)
    (record,) = audit([tmp_path / "clip.mp4"], ["decord", "av"])
    assert record.state == "good"
    assert record.readers == {"decord": "crashed (signal 11)", "av": "exact"}
    assert record.exact == ("av",)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals as on Unix")
def test_a_file_that_crashes_or_hangs_the_decoder_is_unreadable_and_the_next_one_is_examined(monkeypatch, tmp_path):
    body = """
    print(json.dumps({"stage": "full decode"}), flush=True)
    if "crash.mp4" in request["path"]: os.kill(os.getpid(), 11)
    if "hang.mp4" in request["path"]: time.sleep(60)
    print(json.dumps({"found": {"state": "good", "frames": 3, "sound": 3}}), flush=True)
    print(json.dumps({"done": True}), flush=True)
"""
    _stand_in(monkeypatch, tmp_path, body)
    began = time.monotonic()
    crashed, hung, fine = audit([tmp_path / n for n in ("crash.mp4", "hang.mp4", "fine.mp4")], ["av"], timeout=1.0)
    assert time.monotonic() - began < 30
    assert (crashed.state, crashed.reason) == ("unreadable", "the decoder crashed (signal 11) at full decode")
    assert (hung.state, hung.reason) == ("unreadable", "the decoder took over 1 s at full decode")
    assert fine.state == "good"


def test_the_sample_of_a_long_clip_holds_its_ends_and_the_frames_beside_keyframes(clip_file):
    info = replace(probe(clip_file("h264 closed")), frames=4000, keyframes=tuple(range(0, 4000, 50)))
    chosen = sample(info)
    assert len(chosen) == len(set(chosen)) == 24 and {0, 3999} <= set(chosen)
    assert sum((n + 2) % 50 < 4 for n in chosen) >= 12
    assert sample(replace(info, frames=7)) == list(range(7))


def test_an_unknown_reader_is_refused_before_any_file_is_opened():
    with pytest.raises(OptionError, match="unknown reader 'ffmpeg'"):
        audit(["nowhere.mp4"], ["ffmpeg"])


def test_the_record_is_plain_json(records, tmp_path):
    content = json.loads(save_audit(records.values(), tmp_path / "a.json").read_text(encoding="utf-8"))
    assert content["format"] == "mvkit audit 1"
    assert content["files"][0]["video"]["codec"] == "h264"
