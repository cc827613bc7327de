"""The README says what is so."""

import re
from pathlib import Path

from mvkit import maskers, methods, parity

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


def method_table() -> str:
    rows = ["| name | method | paper | teacher | hides | loss |", "|---|---|---|---|---|---|"]
    for name in methods.available():
        cls = methods.get(name)
        rows.append(f"| `{name}` | {cls.title} | {cls.paper} | {cls.taught_by} | {cls.hides} | {cls.loss} |")
    return "\n".join(rows)


def test_the_table_of_methods_is_made_from_the_modules():
    said = re.search(r"<!-- methods -->\n(.*?)\n<!-- /methods -->", README, re.S)
    assert said is not None
    assert said.group(1) == method_table(), f"put this between the markers:\n{method_table()}"


def test_the_table_of_recordings_has_every_one_and_says_that_all_pass():
    said = re.search(r"<!-- parity -->\n(.*?)\n<!-- /parity -->", README, re.S)
    assert said is not None
    rows = dict(re.findall(r"^\| `(\w+)` .*\| (\d+ of \d+) \|$", said.group(1), re.M))
    recordings = {path.stem for path in (Path(__file__).parent / "parity" / "recordings").glob("*.json")}
    assert set(rows) == {name for name in recordings if any(name.startswith(kind) for kind in parity.kinds())}
    assert all(passed.split(" of ")[0] == passed.split(" of ")[1] for passed in rows.values())


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
