"""The README says what is so."""

import re
from pathlib import Path

from mvkit import maskers

README = (Path(__file__).parents[1] / "README.md").read_text()


def table() -> str:
    rows = ["| name | strategy | paper | needs |", "|---|---|---|---|"]
    for name in maskers.available():
        cls = maskers.get(name)
        rows.append(f"| `{name}` | {cls.title} | {cls.paper} | {', '.join(sorted(cls.needs)) or '-'} |")
    return "\n".join(rows)


def test_the_table_of_maskers_is_made_from_the_modules():
    said = re.search(r"<!-- maskers -->\n(.*?)\n<!-- /maskers -->", README, re.S)
    assert said is not None
    assert said.group(1) == table(), f"put this between the markers:\n{table()}"


def test_pictures_and_files_it_names_exist():
    root = Path(__file__).parents[1]
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (root / path).is_file(), path


def test_every_command_it_names_exists():
    from typer.main import get_command

    from mvkit.cli import app

    commands = get_command(app).commands
    for name in re.findall(r"mvkit ([a-z]+)", "\n".join(re.findall(r"`([^`\n]+)`", README))):
        assert name in commands, name
