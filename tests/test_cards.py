"""Data cards: every set is described, every card is sound, mistakes are named."""

from pathlib import Path

import pytest

from mvkit import cards
from mvkit.data.shapes import CLASSES, ShapesSpec
from mvkit.errors import DataError, OptionError

NAMED_IN_DESIGN = {
    *("moving_shapes", "kinetics400", "kinetics710", "something_something_v2", "ucf101", "hmdb51", "moments_in_time"),
    *("ava", "imagenet1k", "msrvtt", "msvd", "didemo", "lsmdc", "activitynet", "webvid", "cc3m"),
}
HEAD = """---
pretty_name: Odd
license: unknown
license_note: nobody said
modality: video
papers: []
splits: {train: 12, val: {clips: unknown, note: lost}}
fps: 25
labels: {label: {classes: 2, names: [a, b]}}
manifest: {format: list, line: path label}
audit: not audited
---

# Odd
text --- with dashes
"""


def test_there_is_a_card_for_every_set():
    assert set(cards.available()) == NAMED_IN_DESIGN


@pytest.mark.parametrize("name", sorted(NAMED_IN_DESIGN))
def test_every_card_is_sound_and_says_something(name):
    card = cards.load(name)
    assert card.name == name
    assert card.text.startswith("# ")
    assert len(card.text) > 100
    assert card.papers or name == "moving_shapes"
    assert card.license != ""
    assert card.extra == {}
    for split in card.splits.values():
        assert split.clips is not None or split.note


def test_the_card_of_moving_shapes_agrees_with_the_code():
    card, spec = cards.load("moving_shapes"), ShapesSpec()
    assert {name: label.names for name, label in card.labels.items()} == CLASSES
    assert {name: split.clips for name, split in card.splits.items()} == {
        "train": spec.clips - spec.val,
        "val": spec.val,
    }
    assert card.fps == spec.fps


def test_unknown_reads_back_as_none(tmp_path):
    path = tmp_path / "odd.md"
    path.write_text(HEAD)
    card = cards.read(path)
    assert card.license is None
    assert card.splits["train"] == cards.Split(12)
    assert card.splits["val"] == cards.Split(None, "lost")
    assert card.labels["label"].names == ("a", "b")
    assert card.text == "# Odd\ntext --- with dashes"
    path.write_text(HEAD + "more")
    assert cards.read(path).fingerprint != card.fingerprint


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fps: 25\n", "", "the head lacks 'fps'"),
        ("fps: 25", "fps: [25]", "'fps' must be int or float or str"),
        ("fps: 25", "fps: true", "'fps' must be"),
        ("modality: video", "modality: vidoe", "did you mean 'video'"),
        ("train: 12", "train: -1", "split 'train' has clips=-1"),
        ("train: 12", "train: {note: x}", "split 'train' must be a count"),
        ("classes: 2", "classes: 3", "says 3 classes and lists 2 names"),
        ("format: list", "format: csv", "unknown manifest format 'csv'"),
        (", line: path label", "", "must hold the texts 'format' and 'line'"),
        ("license_note: nobody said", "license_note: ''", "must say something"),
        ("splits: {train: 12, val: {clips: unknown, note: lost}}", "splits: {}", "names no split"),
        ("papers: []", "papers: [", "the YAML head cannot be read"),
        ("---\npretty", "pretty", "begins with a YAML head"),
    ],
)
def test_a_card_that_is_not_sound_is_refused_by_file_and_field(tmp_path, old, new, message):
    assert old in HEAD
    path = tmp_path / "odd.md"
    path.write_text(HEAD.replace(old, new, 1))
    with pytest.raises(DataError, match=r"odd\.md: ") as caught:
        cards.read(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_near_one():
    with pytest.raises(OptionError, match="did you mean 'ucf101'"):
        cards.load("ucf-101")


def test_the_folder_can_be_named_and_a_missing_one_says_where_it_was_looked_for(tmp_path, monkeypatch):
    (tmp_path / "odd.md").write_text(HEAD)
    (tmp_path / "README.md").write_text("about")
    monkeypatch.setenv("MVKIT_CARDS", str(tmp_path))
    assert cards.available() == ("odd",)
    monkeypatch.setenv("MVKIT_CARDS", str(tmp_path / "gone"))
    with pytest.raises(DataError, match="gone; set MVKIT_CARDS"):
        cards.available()


def test_an_installed_copy_finds_the_cards_of_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "data_cards").mkdir()
    (tmp_path / "data_cards/odd.md").write_text(HEAD)
    monkeypatch.delenv("MVKIT_CARDS", raising=False)
    monkeypatch.setattr(cards, "__file__", str(tmp_path / "site-packages/mvkit/cards.py"))
    monkeypatch.chdir(tmp_path)
    assert cards.folder() == Path(tmp_path / "data_cards")
