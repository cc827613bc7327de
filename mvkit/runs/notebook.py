"""A notebook on disk: finding it, reading it, and the two hashes that make a run's name.

The *project root* of a notebook is the folder above `notebooks/` when it lies in a folder of that name, else its own
folder. Kernels run there whatever the entrance (mvkit run, papermill, JupyterLab), so a relative path in a parameter
always means the same file, and `reports/` lies there.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from mvkit.errors import RunError


def find_notebook(name: str | Path) -> Path:
    """The absolute path of a notebook given by path or by name (`00_quickstart`).

    Names are looked for in `notebooks/` of the working folder, of the folders above it and of the kit's checkout; in
    JupyterLab the open notebook itself counts. Raises RunError listing the nearest names.
    """
    given = Path(name)
    session = os.environ.get("JPY_SESSION_NAME", "")
    if session and Path(session).stem == given.stem and Path(session).is_file():
        return Path(session).resolve()
    for candidate in (given, Path(f"{name}.ipynb")):
        if candidate.is_file() and candidate.suffix == ".ipynb":
            return candidate.resolve()
    folders = _folders()
    if given.name == str(given):
        for folder in folders:
            if (found := folder / f"{given.stem}.ipynb").is_file():
                return found.resolve()
    known = sorted({path.stem for folder in folders for path in folder.glob("*.ipynb")})
    near = get_close_matches(given.stem, known, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ";"
    raise RunError(f"no notebook '{name}' in {Path.cwd()}{hint} known: {', '.join(known) or 'none'}")


def notebooks_folder() -> Path:
    """`notebooks/` of the working folder, of a folder above it, or of the kit's checkout. Raises RunError."""
    for folder in _folders():
        return folder
    raise RunError(f"no notebooks/ in {Path.cwd()} or above it; change into a folder that has one")


def _folders() -> list[Path]:
    """The folders called notebooks/, nearest first."""
    here = Path.cwd()
    places = (here, *here.parents, Path(__file__).resolve().parents[2])
    return [place / "notebooks" for place in places if (place / "notebooks").is_dir()]


@dataclass(frozen=True)
class Cell:
    """What names and parameters are made from: kind (code, markdown, raw), source, tags."""

    kind: str
    source: str
    tags: frozenset[str]


def read_cells(path: Path) -> list[Cell]:
    """The cells of a notebook, without nbformat: that takes a second to load, and every `begin` comes by here.

    Raises RunError for a file that is missing or no notebook of format 4.
    """
    try:
        nb = json.loads(path.read_text(encoding="utf-8"))
        if nb["nbformat"] != 4:
            raise RunError(f"{path} has notebook format {nb['nbformat']}, wanted 4: open and save it in JupyterLab")
        return [
            Cell(cell["cell_type"], "".join(cell["source"]), frozenset(cell.get("metadata", {}).get("tags", [])))
            for cell in nb["cells"]
        ]
    except FileNotFoundError:
        raise RunError(f"{path}: no such notebook") from None
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as err:
        raise RunError(f"{path} is not a notebook: {type(err).__name__} {str(err)[:100]}") from None


def project_root(notebook: Path) -> Path:
    """The folder a notebook's kernel runs in; see the module's first lines."""
    folder = notebook.resolve().parent
    return folder.parent if folder.name == "notebooks" else folder


def notebook_hash(notebook: Path) -> str:
    """Hash of the cells' kind and source, in order, without the parameters cell, outputs and metadata."""
    digest = hashlib.sha256()
    for cell in read_cells(notebook):
        # The resolved values stand for this cell: a changed default must not rename a run that sets the value.
        if not cell.tags & {"parameters", "injected-parameters"}:
            digest.update(f"{cell.kind}\0{cell.source}\0".encode())
    return digest.hexdigest()


@cache
def code_hash() -> str:
    """Hash of all Python sources of mvkit, names and bytes; read once per process, so it is what was imported."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        digest.update(f"{file.relative_to(package).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()
