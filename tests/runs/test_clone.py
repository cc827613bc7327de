"""`mvkit init`: what it sets in a clone, that it says so, and that a second call changes nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mvkit.cli import call
from mvkit.errors import RunError
from mvkit.runs.clone import init

NOTEBOOK = '{{"cells": [{{"cell_type": "code", "source": "{0}", "metadata": {{}}, "outputs": [], "execution_count": null, "id": "a"}}], "metadata": {{}}, "nbformat": 4, "nbformat_minor": 5}}'  # noqa: E501


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A fresh repository, with a space in its name."""
    root = tmp_path / "my clone"
    (root / "notebooks").mkdir(parents=True)
    git(root, "init", "-q")
    monkeypatch.chdir(root / "notebooks")
    return root


def test_everything_is_set_once_and_a_second_call_changes_nothing(clone, capsys):
    assert call(["init"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in said] == [
        ["changed", name] for name in ("nbdime", "attributes", "ignored", "pre-commit", "hook")
    ]
    assert (clone / ".gitignore").read_text() == ".ipynb_checkpoints/\nreports/*\n"
    (repo,) = yaml.safe_load((clone / ".pre-commit-config.yaml").read_text())["repos"]
    assert repo["hooks"][0]["id"] == "nbstripout"
    before = {path: path.read_bytes() for path in clone.rglob("*") if path.is_file()}
    assert call(["init"]) == 0
    assert all(line.startswith("ok ") for line in capsys.readouterr().out.splitlines())
    assert {path: path.read_bytes() for path in clone.rglob("*") if path.is_file()} == before


def test_git_then_shows_cells_instead_of_json_without_an_activated_environment(clone, monkeypatch):
    list(init(clone))
    (clone / "a.ipynb").write_text(NOTEBOOK.format("x = 1"))
    git(clone, "add", "a.ipynb")
    git(clone, "commit", "-q", "-n", "-m", "one")
    (clone / "a.ipynb").write_text(NOTEBOOK.format("x = 2"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    shown = git(clone, "diff")
    assert "nbdiff" in shown
    assert "source" in shown
    assert '"cell_type"' not in shown


def test_what_is_there_stays(clone):
    (clone / ".gitignore").write_text("*.pyc\n/reports/*\n.ipynb_checkpoints/")
    config = "# ours\nrepos:\n  - repo: local\n    hooks:\n      - {id: mine, name: mine, entry: x, language: system}\n"
    (clone / ".pre-commit-config.yaml").write_text(config)
    steps = {step.name: step for step in init(clone)}
    assert not steps["ignored"].changed
    assert (clone / ".pre-commit-config.yaml").read_text().startswith(config)
    assert len(yaml.safe_load((clone / ".pre-commit-config.yaml").read_text())["repos"]) == 2


def test_a_file_whose_end_is_not_its_list_is_left_alone_and_the_lines_are_told(clone, capsys):
    config = "repos: []\nfail_fast: true\n"
    (clone / ".pre-commit-config.yaml").write_text(config)
    assert call(["init"]) == 1
    assert "to do   pre-commit" in capsys.readouterr().out
    assert (clone / ".pre-commit-config.yaml").read_text() == config


def test_outside_a_clone_it_is_refused(tmp_path, monkeypatch):
    with pytest.raises(RunError, match="call it inside one"):
        list(init(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match="install git"):
        list(init(tmp_path))


def test_the_drivers_are_those_beside_this_python(clone):
    list(init(clone))
    command = git(clone, "config", "diff.jupyternotebook.command")
    assert str(Path(sys.executable).parent) in command
