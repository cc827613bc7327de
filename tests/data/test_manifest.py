"""Manifests: the list formats that exist, read as they are, every bad line named."""

import json
from pathlib import Path

import pytest

from mvkit.cards import MANIFEST_FORMATS
from mvkit.data.formats import FORMATS, detect
from mvkit.data.manifest import Manifest, read_manifest
from mvkit.data.sample import Sample
from mvkit.errors import DataError, OptionError


def listed(tmp_path: Path, text: str, name: str = "train.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def entries(manifest: Manifest) -> list[tuple[str, int, int | None]]:
    root = manifest.root
    assert root is not None
    return [(s.path.relative_to(root).as_posix(), s.labels.get("label", -1), s.frames) for s in manifest]


@pytest.mark.parametrize(
    ("text", "format", "wanted"),
    [
        ("a/b.mp4 3\nc.avi 0\n", "list", [("a/b.mp4", 3, None), ("c.avi", 0, None)]),
        ("a b/c d.mp4 3\nx 1.mp4  12\n", "list", [("a b/c d.mp4", 3, None), ("x 1.mp4", 12, None)]),
        ("a,b.mp4,3\nc.mp4, 4\n", "list", [("a,b.mp4", 3, None), ("c.mp4", 4, None)]),
        ("straße/видео 1.mp4\t7\n", "list", [("straße/видео 1.mp4", 7, None)]),
        ('"a b.mp4" 3\r\n\r\n"c.mp4" 1\r\n', "list", [("a b.mp4", 3, None), ("c.mp4", 1, None)]),
        ("\ufeffa.mp4 -1\n", "list", [("a.mp4", -1, None)]),
        ("n01440764/n01440764_10026.JPEG 0\n", "list", [("n01440764/n01440764_10026.JPEG", 0, None)]),
        ("clips/7 117 3\nclips/a b 40 0\n", "frames", [("clips/7", 3, 117), ("clips/a b", 0, 40)]),
        ("a.mp4 300 5\nb.mp4 250 -1\n", "frames", [("a.mp4", 5, 300), ("b.mp4", -1, 250)]),
        ("k/a b.mp4 0 -1\nframes/9 9601 300\n", "spans", [("k/a b.mp4", -1, None), ("frames/9", -1, 300)]),
        ("s/182040 1 58\ns/197728 1 29\n", "spans", [("s/182040", -1, 58), ("s/197728", -1, 29)]),
    ],
)
def test_text_lists_are_read_as_the_official_codes_write_them(tmp_path, text, format, wanted):
    path = listed(tmp_path, text)
    assert detect(path) == format
    assert entries(read_manifest(path)) == wanted
    assert entries(read_manifest(path, format=format)) == wanted


def test_spans_keep_the_number_of_their_first_frame(tmp_path):
    manifest = read_manifest(listed(tmp_path, "a.mp4 0 -1\nframes/9 9601 300\n"))
    assert [(s.first, s.frames, s.kind) for s in manifest] == [(None, None, "video"), (9601, 300, "frames")]


def test_kinds_follow_from_suffix_and_count():
    assert Sample(Path("a.MP4"), frames=30).kind == "video"
    assert Sample(Path("folder.x/77"), frames=30).kind == "frames"
    assert Sample(Path("a.JPEG")).kind == "image"
    assert Sample(Path("no_suffix")).kind == "video"


def test_relative_paths_start_at_the_list_or_at_the_root_given(tmp_path):
    path = listed(tmp_path, f"a.mp4 0\n{tmp_path}/elsewhere/b.mp4 1\n")
    assert [s.path for s in read_manifest(path)] == [tmp_path / "a.mp4", tmp_path / "elsewhere/b.mp4"]
    assert read_manifest(path, root=tmp_path / "videos")[0].path == tmp_path / "videos/a.mp4"


def test_every_bad_line_is_named_and_nothing_is_dropped_silently(tmp_path):
    path = listed(tmp_path, "a.mp4 3\nb.mp4\n\nc.mp4 x\nd.mp4 -4\ne.mp4 2\n")
    with pytest.raises(DataError, match="3 bad lines") as caught:
        read_manifest(path)
    message = str(caught.value)
    assert "\n" not in message
    assert all(f"train.csv:{line}: " in message for line in (2, 4, 5))
    manifest = read_manifest(path, bad="list")
    assert entries(manifest) == [("a.mp4", 3, None), ("e.mp4", 2, None)]
    assert [problem.split(": ")[0] for problem in manifest.problems] == [f"{path}:{line}" for line in (2, 4, 5)]


def test_json_captions_and_questions_are_samples(tmp_path):
    entries = [
        {"video": "a b.mp4", "caption": "a dog runs"},
        {"image": "c.jpg", "caption": ["one", "two"]},
        {"video": "d.mp4", "question_id": 4, "question": "who?", "answer": "a man"},
    ]
    manifest = read_manifest(listed(tmp_path, json.dumps(entries, indent=1), "train.json"))
    assert [s.caption for s in manifest] == ["a dog runs", "one", ""]
    assert manifest[1].captions == ("one", "two")
    assert manifest[1].kind == "image"
    assert dict(manifest[2].qa[0]) == {"question_id": 4, "question": "who?", "answer": "a man"}
    assert manifest.label_names == ()


def test_bad_json_entries_are_named(tmp_path):
    entries = [{"video": "a.mp4", "caption": 3}, {"clip": "b.mp4"}, 7, {"path": "c.mp4", "start": 3, "end": 2}]
    path = listed(tmp_path, json.dumps([*entries, {"video": "d.mp4", "label": "x"}, {"video": "e.mp4"}]), "x.json")
    with pytest.raises(DataError, match="5 bad lines") as caught:
        read_manifest(path)
    assert all(f"entry {number}" in str(caught.value) for number in range(5))
    with pytest.raises(DataError, match=r"x\.json:2: not JSON"):
        read_manifest(listed(tmp_path, '[{"video": "a.mp4"},\n{"video" "b"}]', "x.json"))


def test_json_lines_carry_classes_splits_and_boxes(tmp_path):
    head = {"mvkit_manifest": 1, "card": "moving_shapes", "classes": {"motion": ["left", "right"]}}
    lines = [
        {"path": "a.mp4", "split": "train", "labels": {"motion": 1}, "boxes": [[[0, 0, 4, 4]]], "start": 0.5},
        {"path": "b.mp4", "split": "val", "labels": {"motion": 0}, "caption": "b", "qa": [{"question": "q"}]},
    ]
    text = "\n".join(json.dumps(line) for line in [head, *lines])
    manifest = read_manifest(listed(tmp_path, text, "m.jsonl"))
    assert manifest.card == "moving_shapes"
    assert manifest.splits == ("train", "val")
    assert manifest.num_classes("motion") == 2
    assert manifest.labels("motion").tolist() == [1, 0]
    assert (manifest[0].start, manifest[0].end, manifest[0].boxes) == (0.5, None, [[[0, 0, 4, 4]]])
    assert [s.path.name for s in read_manifest(listed(tmp_path, text, "m.jsonl"), split="val")] == ["b.mp4"]
    with pytest.raises(DataError, match=r"m\.jsonl:2: not JSON"):
        read_manifest(listed(tmp_path, text.replace('{"path": "a', '{path": "a'), "m.jsonl"))
    with pytest.raises(DataError, match="label 1 of 'motion' has no name"):
        read_manifest(listed(tmp_path, text.replace(', "right"', ""), "m.jsonl"))


def test_class_folders_are_labels_in_alphabetical_order(tmp_path):
    for name in ("swim/2.mp4", "run fast/a/1.avi", "run fast/0.avi", "swim/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"notes\.txt: neither a video nor an image"):
        read_manifest(tmp_path)
    manifest = read_manifest(tmp_path, bad="list")
    assert manifest.classes == {"label": ("run fast", "swim")}
    assert entries(manifest) == [("run fast/0.avi", 0, None), ("run fast/a/1.avi", 0, None), ("swim/2.mp4", 1, None)]


def test_slices_splits_and_selections_are_manifests():
    samples = tuple(Sample(Path(f"{i}.mp4"), {"a": i % 3}, split="xy"[i % 2]) for i in range(6))
    manifest = Manifest(samples)
    assert manifest[1:3].samples == samples[1:3]
    assert manifest.split("y").samples == samples[1::2]
    assert manifest.select([5, 0]).labels("a").tolist() == [2, 0]
    assert "6 samples, a: 3 classes" in repr(manifest)
    with pytest.raises(OptionError, match="unknown split 'z'"):
        manifest.split("z")
    with pytest.raises(OptionError, match="unknown label set 'b'"):
        manifest.labels("b")


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "empty"), (b"\n\n", "empty"), (bytes(range(256)), "not UTF-8"), (b"{}", "1 bad lines")]
)
def test_files_that_are_no_lists_are_refused(tmp_path, data, message):
    path = tmp_path / "list.txt"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_manifest(path)


def test_mistakes_of_the_caller_are_named(tmp_path):
    with pytest.raises(DataError, match="no such manifest"):
        read_manifest(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="one sub-folder per class"):
        read_manifest(tmp_path)
    with pytest.raises(OptionError, match="did you mean 'jsonl'"):
        read_manifest(listed(tmp_path, "a.mp4 1"), format="json")


def test_cards_and_readers_know_the_same_formats():
    assert sorted(MANIFEST_FORMATS) == sorted(FORMATS)
