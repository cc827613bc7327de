"""What looks at a training from inside its processes, where no notebook can hand in a function: scores and pictures.

`mvkit.train.worker` takes them by name: --monitor mvkit.runs.looks:scores --look mvkit.runs.looks:pictures.
"""

from __future__ import annotations

from pathlib import Path

from mvkit.data.manifest import Manifest
from mvkit.eval import knn_monitor
from mvkit.runs.glimpse import Glimpse
from mvkit.runs.pictures import Pictures
from mvkit.train import RunSpec, clips_and_labels, open_source, train_split
from mvkit.train.watch import Monitor


def scores(spec: RunSpec, manifest: Manifest) -> Monitor:
    """kNN accuracy of the val split among the train split; both are read into memory, so it is for small sets.

    Raises DataError for a set without a val split.
    """
    known, unseen = (clips_and_labels(spec, manifest.split(name)) for name in ("train", "val"))
    return knn_monitor(known, unseen)


def pictures(spec: RunSpec, manifest: Manifest, out: str | Path) -> Pictures:
    """What the model makes of a held-out clip (the first of all where none is held out), kept in `out`/pictures."""
    chosen = manifest.split("val") if "val" in manifest.splits else train_split(manifest)
    clip = open_source(spec, chosen).dataset.batch([(0, 0)]).clips[0].float() / 255
    return Pictures(Path(out) / "pictures", Glimpse(clip, seed=spec.seed))
