"""A figure as an artefact: PDF and PNG to print, and beside them all that is needed to draw it again.

`save` leaves NAME.pdf, NAME.png, NAME.npz (the arrays drawn), NAME.json (which function, with which parameters,
caption, alternative text, colour limits, runs, commit, checksums) and, of curves and tables, NAME.csv. `rebuild` draws
from the json and npz alone. The same input gives the same bytes: nothing in the files knows the time or the machine.
"""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import matplotlib
import numpy as np
import PIL
from matplotlib.figure import Figure

from mvkit.errors import OptionError, RunError
from mvkit.version import __version__
from mvkit.viz import style, table
from mvkit.viz.drawing import FigureData
from mvkit.viz.saved import SavedFigure
from mvkit.whole import whole

VERSIONS = {
    "mvkit": __version__,
    "matplotlib": matplotlib.__version__,
    "numpy": np.__version__,
    "pillow": PIL.__version__,
}


def save(
    fig: Figure,
    name: str,
    folder: str | Path,
    *,
    data: FigureData,
    caption: str,
    facts: Mapping[str, Any] | None = None,
    venue: str | None = None,
) -> SavedFigure:
    """Write a figure with its data and record.

    fig, data: as a drawing function of mvkit.viz returned them. caption: one sentence or two, with the honesty label
    where there is one. facts: what a reader must know to trust it (masker repr, seed, checkpoint, run id, commit).
    venue: drawn again at this width if it is not the one drawn. Raises RunError for an empty caption or a bad name.
    """
    if not caption.strip():
        raise RunError(f"figure '{name}' needs a caption, got {caption!r}")
    if venue is not None and venue != data.venue:
        fig, data = data.redraw(venue)
    facts = dict(facts or {})
    record = {
        "format": 1,
        "name": _plain(name),
        **_drawn(fig, data),
        "caption": caption,
        "facts": facts,
        "runs": list(facts.get("runs") or ([facts["run"]] if facts.get("run") else [])),
        "seed": facts.get("seed"),
        "commit": facts.get("commit") or _commit(),
        "versions": VERSIONS,
        "data": f"{name}.npz",
    }
    content, sums = _draw(fig, data, record)
    return _keep(content, record | {"sha256": sums}, Path(folder))


def rebuild(
    record: str | Path, folder: str | Path | None = None, *, venue: str | None = None, name: str | None = None
) -> SavedFigure:
    """Draw a saved figure again from NAME.json and NAME.npz alone, into `folder` or in place.

    venue: another printed width; name: another name. The result says in `same_bytes` whether the pictures came out as
    first saved, and in `cause` why not. In place, other pictures are not written: the first ones may be in print.
    Raises RunError where the record or its data cannot be read, OptionError for a figure that does not fit the page.
    """
    path = Path(record)
    kept = SavedFigure.open(path).record
    try:
        raw = path.with_name(kept["data"]).read_bytes()
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, BadZipFile, ValueError) as err:
        raise RunError(f"{path}: cannot rebuild this figure ({err}); keep NAME.json and NAME.npz together") from None
    fig, data = FigureData(kept["function"], kept["parameters"], arrays, kept["alt"]).redraw(venue)
    tall = float(fig.get_size_inches()[1])
    if venue is not None and tall > style.PAGE:
        raise OptionError(f"{path} is {tall:.1f} in tall for {venue}, a page has {style.PAGE}: draw fewer rows")
    name = kept["name"] if name is None else _plain(name)
    drawn = kept | {"name": name, "data": f"{name}.npz", **_drawn(fig, data)}
    content, sums = _draw(fig, data, drawn)
    first, target = kept["sha256"], Path(folder) if folder else path.parent
    if all(first[kind] == sums[kind] for kind in ("pdf", "png")):
        return _keep(content, drawn | {"sha256": sums}, target)
    wanted = (name, data.venue) != (kept["name"], kept["venue"])
    cause = "" if wanted else _cause(kept, changed=sha256(raw).hexdigest() != first["npz"])
    if cause and target.resolve() == path.parent.resolve():
        return SavedFigure(path, kept, False, cause)
    saved = _keep(content, drawn | {"sha256": sums, "versions": VERSIONS}, target)
    return replace(saved, same_bytes=not cause, cause=cause)


def _drawn(fig: Figure, data: FigureData) -> dict[str, Any]:
    """What a record says of the drawing itself."""
    return {
        "function": data.function,
        "parameters": data.parameters,
        "venue": data.venue,
        "size_inches": [round(float(side), 4) for side in fig.get_size_inches()],
        "alt": data.alt,
        "colour_limits": data.limits,
    }


def _draw(fig: Figure, data: FigureData, record: Mapping[str, Any]) -> tuple[dict[str, bytes], dict[str, str]]:
    """Every file but the record, by suffix, and their checksums."""
    about = {"Title": record["name"], "Creator": f"mvkit, {record['function']}"}
    files = {"npz": io.BytesIO(), "pdf": io.BytesIO(), "png": io.BytesIO()}
    np.savez_compressed(files["npz"], **data.arrays)  # type: ignore[arg-type]
    with style.applied():
        fig.savefig(files["pdf"], format="pdf", metadata={**about, "Subject": record["caption"], "CreationDate": None})
        words = {"Title": record["name"], "Description": data.alt, "Software": None}
        fig.savefig(files["png"], format="png", metadata=words)
    content = {kind: buffer.getvalue() for kind, buffer in files.items()}
    if numbers := table.tidy(data.parameters, data.arrays):
        content["csv"] = numbers.encode()
    return content, {kind: sha256(raw).hexdigest() for kind, raw in content.items()}


def _keep(content: dict[str, bytes], record: dict[str, Any], folder: Path) -> SavedFigure:
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n"
    name = record["name"]
    # The record goes last: where it lies, its data and pictures are complete.
    for kind, raw in {**content, "json": text.encode()}.items():
        with whole(folder / f"{name}.{kind}") as part:
            part.write_bytes(raw)
    return SavedFigure(folder / f"{name}.json", record)


def _cause(record: Mapping[str, Any], *, changed: bool) -> str:
    """Why a figure is not drawn as it was."""
    if changed:
        return f"{record['data']} was changed since"
    then = record.get("versions", {})
    other = [f"{name} {then[name]} then, {now} now" for name, now in VERSIONS.items() if then.get(name, now) != now]
    return "; ".join(other) or f"same versions, so the drawing code changed since commit {record['commit'] or '?'}"


def _plain(name: str) -> str:
    if not name or Path(name).name != name:
        raise RunError(f"figure '{name}' needs a plain file name")
    return name


@cache  # the code in memory is what this process began with
def _commit() -> str:
    """Commit of the checkout this package lies in, "-dirty" behind it if files differ; empty outside one."""
    here = Path(__file__).parent
    if "site-packages" in here.parts:  # the repository around an installed copy is someone else's
        return ""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
