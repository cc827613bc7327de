"""Where a run came from: inside and outside a checkout, clean and changed."""

import subprocess
from pathlib import Path

import pytest

from mvkit.runs.provenance import card, checkout, provenance, versions


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("one")
    return tmp_path


def test_a_checkout_without_a_commit_has_none_but_is_changed(repository):
    found = checkout(repository)
    assert found["commit"] is None
    assert found["dirty"] is not None


def test_a_clean_checkout_names_its_commit_and_each_change_has_its_own_hash(repository):
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "first")
    assert checkout(repository) == {"commit": git(repository, "rev-parse", "HEAD"), "dirty": None}
    hashes = set()
    for text in ("two", "three"):
        (repository / "a.txt").write_text(text)
        hashes.add(checkout(repository)["dirty"])
    assert len(hashes) == 2
    assert None not in hashes


def test_a_folder_outside_any_checkout_or_a_machine_without_git_gives_no_commit(tmp_path, monkeypatch):
    assert checkout(tmp_path)["commit"] is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checkout(tmp_path)["commit"] is None


def test_the_record_holds_seeds_card_command_and_hashes(tmp_path, make_notebook):
    path = make_notebook(tmp_path, "1")
    values = {"seed": 3, "mask_seed": 4, "card": "moving_shapes", "steps": 5}
    record = provenance(path, values, ["mvkit", "run", "small"])
    assert record["seeds"] == {"seed": 3, "mask_seed": 4}
    assert record["card"]["name"] == "moving_shapes"
    assert record["command"] == ["mvkit", "run", "small"]
    assert record["folder"] == str(tmp_path)
    assert len(record["notebook"]["hash"]) == len(record["code"]["hash"]) == 64


def test_a_card_nobody_has_is_said_to_be_unknown_and_no_card_is_none():
    found = card("no_such_set")
    assert found is not None
    assert found["hash"].startswith("unknown: ")
    assert card(None) is None


def test_packages_that_are_missing_are_listed_as_missing(monkeypatch):
    monkeypatch.setattr("mvkit.runs.provenance._PACKAGES", ("numpy", "no-such-package"))
    assert versions()["no-such-package"] is None
    assert versions()["numpy"]
