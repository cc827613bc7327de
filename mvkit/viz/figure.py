"""A figure as an artefact: PDF and PNG to print, and beside them all that is needed to draw it again.

`save` leaves four files: NAME.pdf, NAME.png, NAME.npz (the arrays drawn) and NAME.json (which function, with which
parameters, caption, alternative text, colour limits, commit, checksums). `rebuild` draws from the last two alone.
The same input gives the same bytes: nothing in the files knows the time.
"""

from __future__ import annotations

import io
import json
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from mvkit.errors import RunError
from mvkit.version import __version__
from mvkit.viz import style
from mvkit.viz.drawing import FigureData


@dataclass(frozen=True)
class SavedFigure:
    """The files of one figure; shows itself in a notebook, with caption and alternative text, from inside the page.

    same_bytes: after a rebuild, whether pictures have the checksums written when they were first saved.
    """

    json: Path
    record: dict[str, Any]
    same_bytes: bool = True

    @property
    def pdf(self) -> Path:
        return self.json.with_suffix(".pdf")

    @property
    def png(self) -> Path:
        return self.json.with_suffix(".png")

    @property
    def npz(self) -> Path:
        return self.json.with_suffix(".npz")

    def _repr_html_(self) -> str:
        picture = b64encode(self.png.read_bytes()).decode()
        # 1.6: a printed inch at reading distance of a screen; the file has 300 dpi, enough for that.
        points = round(self.record["size_inches"][0] * 96 * 1.6)
        return (
            f'<figure style="margin:0"><img alt="{escape(self.record["alt"])}" style="width:{points}px;max-width:100%" '
            f'src="data:image/png;base64,{picture}"><figcaption>{escape(self.record["caption"])}</figcaption></figure>'
        )


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
    if not name or Path(name).name != name or not caption.strip():
        raise RunError(f"figure '{name}' needs a plain file name and a caption, got caption {caption!r}")
    if venue is not None and venue != data.venue:
        fig, data = data.redraw(venue)
    facts = dict(facts or {})
    record = {
        "format": 1,
        "name": name,
        "function": data.function,
        "parameters": data.parameters,
        "venue": data.venue,
        "size_inches": [round(float(side), 4) for side in fig.get_size_inches()],
        "caption": caption,
        "alt": data.alt,
        "colour_limits": data.limits,
        "facts": facts,
        "seed": facts.get("seed"),
        "commit": facts.get("commit") or _commit(),
        "versions": {"mvkit": __version__, "matplotlib": matplotlib.__version__, "numpy": np.__version__},
        "data": f"{name}.npz",
    }
    return _write(fig, data, record, Path(folder))


def rebuild(record: str | Path, folder: str | Path | None = None, *, venue: str | None = None) -> SavedFigure:
    """Draw a saved figure again from NAME.json and NAME.npz alone, into `folder` or in place.

    venue: another printed width. The result says in `same_bytes` whether the pictures came out as first saved.
    Raises RunError where the record or its data cannot be read.
    """
    path = Path(record)
    try:
        kept = json.loads(path.read_text())
        with np.load(path.with_name(kept["data"]), allow_pickle=False) as file:
            arrays = dict(file)
        data = FigureData(kept["function"], kept["parameters"], arrays, kept["alt"], kept["colour_limits"])
    except (OSError, KeyError, ValueError) as err:
        raise RunError(f"{path}: cannot rebuild this figure ({err}); keep NAME.json and NAME.npz together") from None
    fig, data = data.redraw(venue)
    if venue is not None and venue != kept["venue"]:
        size = [round(float(side), 4) for side in fig.get_size_inches()]
        kept |= {"venue": venue, "parameters": data.parameters, "size_inches": size}
        kept.pop("sha256", None)
    return _write(fig, data, kept, Path(folder) if folder else path.parent)


def _write(fig: Figure, data: FigureData, record: dict[str, Any], folder: Path) -> SavedFigure:
    folder.mkdir(parents=True, exist_ok=True)
    name, first = record["name"], record.get("sha256")
    about = {"Title": name, "Creator": f"mvkit, {record['function']}"}
    files = {"npz": io.BytesIO(), "pdf": io.BytesIO(), "png": io.BytesIO()}
    np.savez_compressed(files["npz"], **data.arrays)  # type: ignore[arg-type]
    with style.applied():
        fig.savefig(files["pdf"], format="pdf", metadata={**about, "Subject": record["caption"], "CreationDate": None})
        fig.savefig(files["png"], format="png", metadata={"Title": name, "Description": data.alt, "Software": None})
    content = {kind: buffer.getvalue() for kind, buffer in files.items()}
    sums = {kind: sha256(raw).hexdigest() for kind, raw in content.items()}
    # The record goes last: where it lies, its data and pictures are complete.
    content["json"] = (
        json.dumps(record | {"sha256": sums}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    ).encode()
    for kind, raw in content.items():
        part = folder / f".{name}.{kind}.part"
        part.write_bytes(raw)
        part.replace(folder / f"{name}.{kind}")
    same = first is None or all(first[kind] == sums[kind] for kind in ("pdf", "png"))
    return SavedFigure(folder / f"{name}.json", record | {"sha256": sums}, same)


def _commit() -> str:
    """Commit of the checkout this package lies in; empty outside one."""
    here = Path(__file__).parent
    if "site-packages" in here.parts:  # the repository around an installed copy is someone else's
        return ""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
