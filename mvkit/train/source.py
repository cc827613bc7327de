"""From a spec to its clips: the manifest a card means, batches for the loop, and small sets as tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from mvkit import cards
from mvkit.data import augment as recipes
from mvkit.data import shapes
from mvkit.data.dataset import Batch, ClipDataset
from mvkit.data.loader import clip_loader
from mvkit.data.manifest import Manifest, read_manifest
from mvkit.data.store import load_arrays
from mvkit.errors import OptionError
from mvkit.train.parallel import place
from mvkit.train.seed import derive
from mvkit.train.spec import RunSpec

DATA = Path("data")


def open_manifest(
    spec: RunSpec, root: Path | str = DATA, progress: Callable[[int, int], None] | None = None
) -> Manifest:
    """The clips of spec.card: its list `spec.data["manifest"]`, or for `moving_shapes` the files, written if missing.

    root: folder for written sets. progress: called with (clips done, clips in all) while writing.
    Raises OptionError for a card that needs a manifest and got none.
    """
    cards.load(spec.card)
    data = dict(spec.data)
    if "manifest" in data:
        return read_manifest(data.pop("manifest"), **data)
    if spec.card != "moving_shapes":
        raise OptionError(
            f"card '{spec.card}' names a set that is not made here: give data={{'manifest': 'path of its list'}}"
        )
    wanted = shapes.ShapesSpec.from_dict({"size": spec.image, "seed": spec.seed, **data})
    return read_manifest(shapes.write(Path(root) / spec.card / wanted.key, wanted, progress))


def train_split(manifest: Manifest) -> Manifest:
    """The samples to train on: split `train` if the set has splits, else all."""
    return manifest.split("train") if "train" in manifest.splits else manifest


@dataclass(frozen=True)
class Source:
    """Batches of a set, from any step on; the same for the same step. `dataset.broken` lists what could not be read.

    Of several processes each is given its own files of every step, which together are those of one process.
    """

    dataset: ClipDataset
    spec: RunSpec

    def __call__(self, first: int) -> Iterator[Batch]:
        spec, (rank, world) = self.spec, place()
        return iter(
            clip_loader(
                self.dataset,
                spec.batch // world,
                rank=rank,
                world=world,
                pin=spec.device != "cpu" and torch.cuda.is_available(),
                seed=derive(spec.seed, "order") >> 32,
                grouped=spec.grouped,
                start_step=first,
                epochs=None,
                workers=spec.workers,
            )
        )


def open_source(spec: RunSpec, manifest: Manifest) -> Source:
    """The training batches of a manifest, as the spec says: frames, stride, image, augment, repeats, workers, ...

    Raises OptionError for an unknown name, or a flip that the augmentation does not have.
    """
    dataset = ClipDataset(
        manifest,
        frames=spec.frames,
        stride=spec.stride,
        size=spec.image,
        augment=_augmentation(spec),
        sampling=spec.sampling,
        repeats=spec.repeats,
        seed=derive(spec.seed, "clips") >> 32,
        cache="memory" if spec.cache else None,
    )
    return Source(dataset, spec)


def _augmentation(spec: RunSpec) -> recipes.Recipe:
    recipe = recipes.recipe(spec.augment, spec.image)
    if spec.flip is None:
        return recipe
    if not isinstance(recipe, recipes.Pretrain | recipes.Finetune | recipes.RandomResized):
        raise OptionError(f"augment='{spec.augment}' mirrors nothing, got flip={spec.flip}: use augment='pretrain'")
    return replace(recipe, flip=spec.flip)


def clips_and_labels(spec: RunSpec, manifest: Manifest) -> tuple[Tensor, dict[str, Tensor]]:
    """A small set as one tensor, for probes and pictures: clips (n, 3, T, H, W) uint8, labels {name: (n,)}.

    Clips start at the file's first frame; frames must have the spec's image size. Raises DataError.
    """
    clips = load_arrays(manifest, spec.frames, stride=spec.stride).permute(0, 4, 1, 2, 3).contiguous()
    return clips, {name: torch.from_numpy(manifest.labels(name)) for name in manifest.label_names}
