"""Several encoders opened to look at the same clip: one grid of steps, and the features of the last clips kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mvkit.checkpoints.teachers import open_teacher
from mvkit.errors import OptionError, ShapeError
from mvkit.inspect import similarity
from mvkit.inspect.attention import under
from mvkit.inspect.clip_features import ClipFeatures
from mvkit.inspect.query_keys import encode
from mvkit.models.teachers import Teacher
from mvkit.tokens import TokenGrid, patchify

PIXELS = "pixels"  # the row that needs no model
AT_ONCE = 8  # clips encoded at a time
CLIPS = 2  # whose features are kept: going back and forth between two costs nothing


class Compared:
    """models: label -> the folder of a run, what `checkpoints.open_teacher` takes, or an encoder, of which a frozen
    copy is taken as it is now. steps: of the clip, where all are image encoders, which see frames one by one. seed: of
    the shuffled control.

    grid, frames, size: of the first video encoder, else of the first encoder: tokens of the pixels, frames and (h, w)
    of the clip. grids: label -> where the tokens of each lie, of the same steps. Raises
    CheckpointError, OptionError, ShapeError where video encoders have other frames or steps.
    """

    def __init__(self, models: Mapping[str, Any], *, steps: int = 8, seed: int = 0) -> None:
        if not models or PIXELS in models:
            raise OptionError(f"name at least one model, and none '{PIXELS}', which is always there: {list(models)}")
        self.encoders = {label: _opened(model) for label, model in models.items()}
        self.seed = seed
        video = {label: one.encoder for label, one in self.encoders.items() if not one.per_frame}
        first: Any = next(iter(video.values()), None) or next(iter(self.encoders.values())).encoder
        self.grid = first.grid if video else TokenGrid(steps, first.grid.h, first.grid.w)
        self.frames = self.grid.t * first.tubelet
        self.size = (first.grid.h * first.patch, first.grid.w * first.patch)
        for label, encoder in video.items():
            if (encoder.grid.t, encoder.tubelet) != (first.grid.t, first.tubelet):
                raise ShapeError(
                    f"'{label}' has {encoder.grid.t} steps of {encoder.tubelet} frames, '{next(iter(video))}' "
                    f"{first.grid.t} of {first.tubelet}: compare video encoders of the same frames and steps"
                )
        self.grids = {PIXELS: self.grid} | {
            label: TokenGrid(self.grid.t, one.encoder.grid.h, one.encoder.grid.w)
            for label, one in self.encoders.items()
        }
        self._kept: OrderedDict[Hashable, Rows] = OrderedDict()

    @property
    def depth(self) -> int:
        """Of the deepest."""
        return max(one.encoder.depth for one in self.encoders.values())

    def block(self, label: str, layer: int) -> int:
        """The block of an encoder that lies as deep in it as `layer` in the deepest one; of pixels, 1."""
        own = 1 if label == PIXELS else self.encoders[label].encoder.depth
        return max(1, round(layer * own / self.depth))

    def label(self, name: str, layer: int, between: str = ", ") -> str:
        """The name of a row with its block."""
        if name == PIXELS:
            return name
        return f"{name}{between}block {self.block(name, layer)} of {self.encoders[name].encoder.depth}"

    def tokens(self, clips: Tensor, layer: int) -> dict[str, Tensor]:
        """label -> (B, N, D) of clips (B, 3, T, H, W) in [0, 1], each from its block at `layer`, pixels first."""
        found = {PIXELS: patchify(clips, tubelet=self.frames // self.grid.t, patch=self.size[0] // self.grid.h)}
        for label, one in self.encoders.items():
            block, device = self.block(label, layer), one.encoder.mean.device
            parts = [encode(one, some.to(device), steps=self.grid.t, layers=[block]) for some in clips.split(AT_ONCE)]
            found[label] = torch.cat([part.layers[block].cpu() for part in parts])
        return found

    def matrices(self, clips: Tensor, layer: int, *, centred: bool = True) -> dict[str, dict[str, Tensor]]:
        """Kind of matrix -> label -> (B, t, t), of `similarity.frame_matrix`; clips, layer: as `tokens`."""
        tokens = self.tokens(clips, layer)
        return {
            kind: {
                label: similarity.frame_matrix(part, self.grids[label], kind=kind, centred=centred)
                for label, part in tokens.items()
            }
            for kind in similarity.MATRICES
        }

    def on(self, key: Hashable, video: Tensor) -> Rows:
        """What all say of a clip (1, 3, T, H, W). key: what stands for the clip: the same key gets what is kept.

        Raises ShapeError.
        """
        if key not in self._kept:
            encoders: dict[str, Teacher | None] = {PIXELS: None, **self.encoders}
            self._kept[key] = Rows(
                self, {name: ClipFeatures(one, video, self.grid, seed=self.seed) for name, one in encoders.items()}
            )
        self._kept.move_to_end(key)
        while len(self._kept) > CLIPS:
            self._kept.popitem(last=False)
        return self._kept[key]


class Rows:
    """What every encoder of `compared` says of one clip, `features`: name -> ClipFeatures, pixels first."""

    def __init__(self, compared: Compared, features: Mapping[str, ClipFeatures]) -> None:
        self.compared, self.features = compared, features

    def maps(self, layer: int, query: tuple[int, int, int], *, centred: bool) -> dict[str, np.ndarray]:
        """name -> cosines (t, h, w) with a token (t, y, x) of the common grid; on another grid, with the token that
        holds the middle of that one. Raises ShapeError."""
        found = {}
        for name, one in self.features.items():
            block, token = self.compared.block(name, layer), under(query, self.compared.grid, one.grid)
            found[name] = one.query_map(block, token, centred=centred).cpu().numpy()
        return found

    def matrices(self, layer: int, *, kind: str, centred: bool, static: bool) -> dict[str, list[np.ndarray]]:
        """name -> matrices of steps (t, t): of the clip and, if asked, of the static clip."""
        found = {}
        for name, one in self.features.items():
            block = self.compared.block(name, layer)
            asked = (one.matrix, one.static) if static else (one.matrix,)
            found[name] = [matrix(block, kind=kind, centred=centred).cpu().numpy() for matrix in asked]
        return found

    def numbers(self, name: str, layer: int, *, kind: str, centred: bool, controls: bool) -> str:
        """The mean similarity of two steps and its change for each step apart, in words, beside those of controls."""
        one, block = self.features[name], self.compared.block(name, layer)
        if one.grid.t < 2:
            return "one step: nothing to compare"
        told = [f"two steps {_pair(one.matrix(block, kind=kind, centred=centred)[None])}"]
        if controls:
            told += [f"static clip {_pair(one.static(block, kind=kind, centred=centred)[None])}"]
            told += [f"mean of {one.shuffles} shuffles {_pair(one.shuffled(block, kind=kind, centred=centred))}"]
        return "; ".join(told)


def _pair(matrices: Tensor) -> str:
    mean, slope = similarity.off_diagonal(matrices).mean(), similarity.lag_slope(matrices).mean()
    return f"{mean:.2f}" + ("" if slope.isnan() else f" ({slope:+.3f} a step)")


def _opened(model: Any) -> Teacher:
    if isinstance(model, Path) or (isinstance(model, str) and ":" not in model):
        model = f"run:{model}"
    if isinstance(model, str | Teacher):
        return open_teacher(model)
    return Teacher(deepcopy(model))  # a Teacher freezes what it holds, and the model may be in training
