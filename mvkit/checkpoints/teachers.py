"""Where a teacher comes from: a run of this kit, a model of timm, or an official file."""

from __future__ import annotations

import json
from collections.abc import Callable
from inspect import signature
from typing import Any

from mvkit.checkpoints.native import load_encoder
from mvkit.checkpoints.reading import load
from mvkit.errors import OptionError, unknown
from mvkit.models.teachers import Teacher
from mvkit.models.timm_encoder import timm_encoder


def open_teacher(said: str | Teacher) -> Teacher:
    """said: where a teacher comes from, or a Teacher, given back as it is.

        "run:<folder of a run or saved method>"
        "timm:<name>", as timm:vit_base_patch16_clip_quickgelu_224.openai; options of timm.create_model may follow
        "file:<path of an official file>"; options of `checkpoints.load` may follow, as file:a.pth?kind=mvd&frames=8

    A fine-tuned file gives its encoder. Raises OptionError for another beginning, CheckpointError if what it names
    cannot be read.
    """
    if isinstance(said, Teacher):
        return said
    kind, _, rest = said.partition(":")
    if kind not in SOURCES or not rest:
        raise OptionError(
            f"teacher '{said}': {unknown('source', kind, SOURCES)}; "
            "write it as run:<folder>, timm:<name> or file:<path>"
        )
    return SOURCES[kind](rest)


def _run(folder: str) -> Teacher:
    encoder, _ = load_encoder(folder)
    return Teacher(encoder, source=f"run:{folder}")


def _timm(rest: str) -> Teacher:
    name, options = _options(rest)
    return Teacher(timm_encoder(name, **options), source=f"timm:{name}")


def _file(rest: str) -> Teacher:
    path, options = _options(rest)
    known = set(signature(load).parameters) - {"source", "classes", "changes"}
    for name in set(options) - known:
        raise OptionError(f"teacher 'file:{rest}': {unknown('option', name, known)}")
    model, _ = load(path, **{"head": False, **options})
    return Teacher(model, source=f"file:{path}")


def _options(rest: str) -> tuple[str, dict[str, Any]]:
    """The name, and what follows its last question mark, written as a=1&b=true&c=word."""
    name, mark, tail = rest.rpartition("?")
    if not mark:
        return rest, {}
    return name, {key: _literal(value) for key, _, value in (pair.partition("=") for pair in tail.split("&"))}


def _literal(text: str) -> Any:
    """Numbers, true and false as such; other words are words."""
    try:
        return json.loads(text.lower())
    except json.JSONDecodeError:
        return text


SOURCES: dict[str, Callable[[str], Teacher]] = {"run": _run, "timm": _timm, "file": _file}
