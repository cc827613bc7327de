"""A module imports only from its left; `import mvkit` is light; the public door is what we mean."""

import ast
import subprocess
import sys
from pathlib import Path

import mvkit

PACKAGE = Path(mvkit.__file__).parent
ARROW = (
    ("errors", "tokens", "plugins", "version", "whole"),
    ("cards",),
    ("data",),
    ("maskers",),
    ("models",),
    ("losses",),
    ("checkpoints",),
    ("methods",),
    ("train",),
    ("eval",),
    ("parity",),
    ("bench",),
    ("inspect",),
    ("viz",),
    ("widgets",),
    ("runs",),
    ("cli", "__main__"),
)
PLACE = {room: number for number, rooms in enumerate(ARROW) for room in rooms}


def _room(module: str) -> str:
    return module.split(".")[1]


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("mvkit.")}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "mvkit":
            found |= {f"mvkit.{alias.name}" for alias in node.names if alias.name != "__version__"}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("mvkit."):
            found.add(node.module)
    return found


def test_every_room_has_a_place_on_the_arrow():
    rooms = {
        p.stem if p.is_file() else p.name for p in PACKAGE.iterdir() if p.name not in ("__init__.py", "__pycache__")
    }
    assert rooms == set(PLACE) & rooms
    assert set(PLACE) - rooms <= {"__main__", "widgets"}


def test_a_module_imports_only_from_its_left():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        relative = path.relative_to(PACKAGE)
        if str(relative) == "__init__.py":
            continue
        own = relative.parts[0].removesuffix(".py")
        for module in _imports(path):
            if PLACE[_room(module)] > PLACE[own]:
                wrong.append(f"{relative} imports {module}")
    assert not wrong


def test_importing_mvkit_does_not_import_torch():
    code = "import sys, mvkit; print('torch' in sys.modules, 'numpy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "False"]


def test_the_public_door_is_the_export_list_and_everything_in_it_opens():
    assert dir(mvkit) == sorted(mvkit.__all__)
    for name in mvkit.__all__:
        assert getattr(mvkit, name) is not None, name
