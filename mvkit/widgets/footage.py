"""What an explorer looks at: a video file, an array or a sample clip, cut to one size, a window of frames at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from mvkit.data import shapes
from mvkit.data.crops import Box, crop, from_frames, resize
from mvkit.data.frames import read_frames
from mvkit.data.probe import probe
from mvkit.errors import OptionError, ShapeError
from mvkit.inspect.query_keys import query_keys
from mvkit.maskers import MaskContext
from mvkit.maskers._flow import estimate_flow
from mvkit.maskers.motion import motion_map
from mvkit.models.frames import sees_frames
from mvkit.models.teachers import Teacher
from mvkit.tokens import TokenGrid, patchify
from mvkit.viz.drawing import as_frames
from mvkit.widgets.controls import Control

SAMPLES = 8  # sample clips of `moving_shapes` to choose from
LENGTH = 48  # frames of one
BLOCK = 32  # frames decoded at a time: a slider moved along a file waits once in so many frames
KEPT = 24  # blocks kept: 115 MB at 224 x 224


class Footage:
    """Frames of one size, (h, w) pixels: the largest part of each frame of that shape, around its middle.

    source: path of a video, frames (T, H, W, 3) uint8 or (3, T, H, W) float in [0, 1], or the number of a sample clip,
    1 to SAMPLES. size: a side in pixels, or (h, w). code: the call that makes it, `clip` standing for an array.
    Raises DataError for a file that cannot be read, OptionError, ShapeError.
    """

    def __init__(self, source: Any, size: int | tuple[int, int] = 224) -> None:
        self.size = (size, size) if isinstance(size, int) else size
        shown, self._frames = "clip", None
        if isinstance(source, str | PathLike):
            self._path, shown = Path(source), repr(str(source))
            self.name, self.length = self._path.name, probe(source).frames
        elif isinstance(source, int):
            if not 1 <= source <= SAMPLES:
                raise OptionError(f"sample clips are numbered 1 to {SAMPLES}, got {source}")
            spec = shapes.ShapesSpec(frames=LENGTH, size=2 * -(-max(*self.size, 16) // 2))
            self._frames, truth = shapes.render(source, spec)
            self.name, self.length, shown = f"sample {source}: {truth['caption']}", LENGTH, str(source)
        else:
            self._frames = as_frames(source, "a clip")
            if self._frames.ndim != 4 or not self._frames.size:
                raise ShapeError(f"footage is one clip of frames (T, H, W, 3), got {self._frames.shape}")
            self.name, self.length = "the clip given", len(self._frames)
        self.code = f"Footage({shown}{'' if size == 224 else f', {size}'})"
        self._block = lru_cache(KEPT)(self._read)

    def window(self, start: int = 0, stride: int = 1, *, frames: int = 16, tubelet: int = 2, patch: int = 16) -> Window:
        """`frames` frames from `start` on, `stride` apart; beyond the end the last one is repeated."""
        if not 0 <= start < self.length or stride < 1:
            raise OptionError(f"a window starts at 0 to {self.length - 1}, stride 1 or more, got {start}, {stride}")
        wanted = start + stride * np.arange(frames)
        numbers = np.minimum(wanted, self.length - 1)
        picked = np.stack([self._block(n // BLOCK)[n % BLOCK] for n in numbers.tolist()])
        grid = TokenGrid.of_clip(*picked.shape[:3], tubelet=tubelet, patch=patch)
        return Window(picked, grid, repeated=int((wanted >= self.length).sum()))

    def _read(self, block: int) -> np.ndarray:
        first, last = block * BLOCK, min((block + 1) * BLOCK, self.length)
        frames = self._frames[first:last] if self._frames is not None else read_frames(self._path, range(first, last))
        return fitted(frames, *self.size)

    def __repr__(self) -> str:
        return f"<footage {self.name}, {self.length} frames of {self.size[0]}x{self.size[1]}>"


class Window:
    """The frames of one clip (T, H, W, 3) uint8 and, worked out when first asked for, what a masker may look at.

    repeated: how many frames at the end repeat the last one of the footage.
    """

    def __init__(self, frames: np.ndarray, grid: TokenGrid, repeated: int = 0) -> None:
        self.frames, self.grid, self.repeated = frames, grid, repeated

    @cached_property
    def video(self) -> Tensor:
        """(1, 3, T, H, W) float in [0, 1]."""
        return torch.from_numpy(np.moveaxis(self.frames, -1, 0)[None].astype(np.float32) / 255)

    @cached_property
    def motion(self) -> Tensor:
        """(1, t, h*w), change from frame to frame."""
        return motion_map(self.video, self.grid)

    @cached_property
    def contrast(self) -> Tensor:
        """(1, t, h*w), standard deviation of the pixels inside each token: texture and edges."""
        t, h, w = self.grid.shape
        cells = rearrange(
            self.video.mean(1), "b (t dt) (h dh) (w dw) -> b t (h w) (dt dh dw)", t=t, h=h, w=w
        )  # of grey levels
        return cells.std(-1, unbiased=False)

    @cached_property
    def flow(self) -> Tensor | None:
        """(1, t-1, h, w, 2) in tokens; None for a clip of one step."""
        return estimate_flow(self.video, self.grid) if self.grid.t > 1 else None

    @cached_property
    def tokens(self) -> Tensor:
        """(1, N, P), the pixels of each token."""
        span = self.video.shape[2] // self.grid.t, self.video.shape[3] // self.grid.h
        return patchify(self.video, tubelet=span[0], patch=span[1])

    def context(self, needs: Collection[str], attention: Tensor | None = None, *, batch: int = 1) -> MaskContext:
        """What a masker of these needs looks at. attention: (1, t, h*w), taken for `loss` too.

        batch > 1: the same for so many clips, made cheap: the video is replaced by one of one pixel a token, with the
        motion and the flow of this one. Raises OptionError for a need that a clip does not answer.
        """
        video = self.video if batch == 1 else _one_pixel_a_token(self.motion, self.grid)
        flow = self.flow if batch > 1 and "video" in needs else None
        known = {"video": video, "features": self.tokens if "features" in needs else None, "attention": attention}
        known["loss"] = None if attention is None else attention.flatten(1)
        for need in needs:
            if known.get(need) is None:
                raise OptionError(f"a masker that needs {need} cannot be explored on a clip alone")
        given = {name: value for name, value in known.items() if name in needs} | {"flow": flow}
        spread = {name: value.expand(batch, *value.shape[1:]) for name, value in given.items() if value is not None}
        return replace(MaskContext(), **spread)


def clip_controls(names: Sequence[str], length: int, frames: int) -> tuple[Control, ...]:
    """Which of the clips named, or a video of one's own, and where a clip of `frames` begins in its `length` frames."""
    longer = length > frames
    return (
        Control("sample", "choice", names[0], choices=tuple(names), label="clip", help="which clip is shown",
                when=lambda _: len(names) > 1),
        Control("video", "file", "", label="your video", help="path of a video; empty shows the clip given"),
        Control("start", "int", 0, low=0, high=max(0, length - frames), label="first frame",
                help="frame of the video the clip begins with", when=lambda _: longer),
        Control("stride", "int", min(2, max(1, length // frames)), low=1, high=8, when=lambda _: longer,
                help="frames of the video from one frame of the clip to the next"),
    )  # fmt: skip


def attended(encoder: Any, video: Tensor, grid: TokenGrid) -> Tensor:
    """What the last block of an encoder looks at, laid on a grid: (1, t, h*w), not negative.

    encoder: as `inspect.query_keys` takes it; the class token's attention where there is one, else what tokens receive
    on average. video: (1, 3, T, H, W), resized to the encoder's frames, and its steps to the grid's, where they differ.
    """
    inner = encoder.encoder if isinstance(encoder, Teacher) else encoder
    size = (inner.grid.h * inner.patch, inner.grid.w * inner.patch)
    count = grid.t if sees_frames(inner) else inner.grid.t * inner.tubelet
    picked = torch.linspace(0, video.shape[2] - 1, count).round().long()
    clips = F.interpolate(video[0, :, picked].transpose(0, 1), size, mode="bilinear", antialias=True)
    found = query_keys(encoder, clips.transpose(0, 1)[None], [inner.depth])[inner.depth]
    maps = found.class_map() if found.class_token else found.received()
    return F.interpolate(maps[None], grid.shape, mode="trilinear", align_corners=False)[0].clamp_min(0).flatten(2)


def fitted(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """(T, H, W, 3) uint8 -> (T, height, width, 3): resized until it covers that size, then the middle of it."""
    scale = max(height / frames.shape[1], width / frames.shape[2])
    h, w = (max(side, round(n * scale)) for side, n in ((height, frames.shape[1]), (width, frames.shape[2])))
    clip = resize(from_frames(frames), h, w)
    return crop(clip, Box((h - height) // 2, (w - width) // 2, height, width)).permute(0, 2, 3, 1).numpy()


def _one_pixel_a_token(motion: Tensor, grid: TokenGrid) -> Tensor:
    """A clip (1, 3, 2t, h, w) with this motion (1, t, h*w) exactly: each pixel blinks by what it should change."""
    steps = motion.view(1, 1, *grid.shape).repeat_interleave(2, 2)
    steps = torch.cat([torch.zeros_like(steps[:, :, :1]), steps[:, :, 1:]], 2)
    sign = 1.0 - 2.0 * (torch.arange(2 * grid.t) % 2)
    return (steps * sign[:, None, None]).cumsum(2).expand(-1, 3, -1, -1, -1)
