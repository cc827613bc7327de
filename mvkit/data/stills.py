"""Images and folders of frames, read as if they were videos.

An image is a video of one frame. A folder of frames, as the official SSv2 and Kinetics "rawframes" lists mean it, is
read in the order of the numbers in its file names.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mvkit.data.sample import IMAGE_SUFFIXES
from mvkit.errors import DataError


def read_image(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned upright by its EXIF mark. Raises DataError naming the file."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError, OSError) as err:
        raise DataError(f"{path}: not an image that can be read ({err})") from err


def frame_files(folder: Path, first: int | None = None, count: int | None = None) -> list[Path]:
    """Images of a folder, by the last number in their names; `count` of them from number `first` on, if given.

    Raises DataError for a folder without images, for a name without a number, and where fewer than `count` are there.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of frames")
    files = [file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise DataError(f"{folder}: no frames in it (wanted {', '.join(IMAGE_SUFFIXES)})")
    numbered = []
    for file in files:
        if not (digits := re.findall(r"\d+", file.stem)):
            raise DataError(f"{file}: a frame without a number in its name; wanted names like img_00001.jpg")
        numbered.append((int(digits[-1]), file))
    kept = [file for number, file in sorted(numbered) if first is None or number >= first]
    if count is not None and len(kept) < count:
        raise DataError(f"{folder}: {len(kept)} frames from number {first or 0} on, where its list says {count}")
    return kept[:count]


def read_stills(path: Path, indices: Sequence[int] | np.ndarray, first: int | None = None) -> np.ndarray:
    """(n, H, W, 3) uint8: an image repeated, or these frames of a folder, counted from 0. Raises DataError.

    first: the number in the name of the frame that counts as 0; the lowest one if not given.
    """
    if path.suffix.lower() in IMAGE_SUFFIXES:
        if max(indices) > 0:
            raise DataError(f"{path}: an image has frame 0 only, wanted frame {max(indices)}")
        return np.repeat(read_image(path)[None], len(indices), axis=0)
    files = frame_files(path, first)
    if max(indices) >= len(files):
        raise DataError(f"{path}: {len(files)} frames in the folder, wanted frame {max(indices)}")
    images = {i: read_image(files[i]) for i in dict.fromkeys(int(i) for i in indices)}
    if len({image.shape for image in images.values()}) > 1:
        raise DataError(f"{path}: frames of different sizes in one folder")
    return np.stack([images[int(i)] for i in indices])
