"""Where training begins: weights of an earlier stage, of a BERT, or of the authors, copied into a fresh method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from mvkit.checkpoints import bert, umt_vl
from mvkit.checkpoints.families import FAMILIES, bare, identify, is_tuned
from mvkit.checkpoints.files import open_weights
from mvkit.checkpoints.native import Report, load_state, read
from mvkit.errors import CheckpointError, OptionError, unknown

SOURCES = ("run", "file")


def start_from(method: nn.Module, sources: Sequence[str]) -> list[Report]:
    """Copy weights by name, source after source; what a source lacks stays as it was made.

    sources: "run:<folder of a run or saved method>" or "file:<path>": an official pre-training file of any family, of
    UMT's second stage, or a BERT of transformers. Teachers in a file are not taken: a method opens its own.
    Raises OptionError for another beginning; CheckpointError where a source cannot be read, has nothing that fits, or
    a tensor of another shape.
    """
    reports = []
    for source in sources:
        report = load_state(method, _state(source), strict=False)
        if report.reshaped:
            own = dict(method.state_dict())[report.reshaped[0]].shape
            raise CheckpointError(
                f"start '{source}' is of another size: {report.reshaped[0]} should be {tuple(own)}; "
                f"{len(report.reshaped)} such names; build the method with the same size and patch"
            )
        if not report.matched:
            raise CheckpointError(f"start '{source}' has no weight that {type(method).__name__} has: {report}")
        reports.append(report)
    return reports


def _state(source: str) -> Mapping[str, Tensor]:
    kind, _, rest = source.partition(":")
    if kind not in SOURCES or not rest:
        raise OptionError(
            f"start '{source}': {unknown('source', kind, SOURCES)}; write it as run:<folder> or file:<path>"
        )
    if kind == "run":
        return read(Path(rest)).state
    state = open_weights(Path(rest)).state
    if any(name.startswith("text_encoder.") for name in state):
        return umt_vl.read(state)
    if any("embeddings.word_embeddings" in name for name in state):
        return bert.read(state)
    found, _ = bare(state)
    family = FAMILIES[identify(found, where=rest)]
    if is_tuned(found) and family.tuned is None:
        raise CheckpointError(f"{rest} is a classifier that cannot be read as one; start from a pre-training file")
    return family.tuned[0](found) if is_tuned(found) and family.tuned else family.read(found)
