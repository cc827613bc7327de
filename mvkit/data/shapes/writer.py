"""A `moving_shapes` set as a folder: H.264 files and a manifest in JSON lines.

Files: `clips/000000.mp4 ...`, then `manifest.jsonl`, written last: where it is, the set is whole. `spec.json` comes
first and says whose clips these are, so that a folder left half-written by a stop is completed, and one of another
spec is refused. Every file appears under its name only when all its bytes are there.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np

from mvkit.data.shapes.render import render
from mvkit.data.shapes.spec import RECIPE, ShapesSpec
from mvkit.errors import DataError
from mvkit.whole import whole

_GOP = 12
# Measured over 20 clips: luma is off by 1.7 grey levels on average, RGB by 6, nearly all of it at edges between
# colours and from the halved chroma planes (crf 6 gives 5.7 at 1.6 times the bytes).
_ENCODER = {"crf": "12", "preset": "veryfast", "bf": "0", "x264-params": f"keyint={_GOP}:scenecut=0:open-gop=0"}
# Above, a frame is spent more bits where later ones repeat it, and keeps traces of earlier ones: clips of one group,
# whose first frames are drawn alike, differed there by 1.3 grey levels. Stories promise that one frame does not tell.
# Quantiser 20: as near to what was drawn as crf 12 above, in 34 kB a clip instead of 20.
_EVERY_FRAME_ALONE = {"qp": "20", "preset": "veryfast", "bf": "0", "x264-params": "keyint=1"}


def write(
    folder: str | Path, spec: ShapesSpec | None = None, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write the set, or finish it, or find it whole; gives the path of its `manifest.jsonl`.

    progress: called with (clips done, clips in all) after every clip. Safe to stop and call again.
    Raises DataError if the folder holds a set of another spec, or cannot be written.
    """
    spec = ShapesSpec() if spec is None else spec
    folder = Path(folder)
    manifest = folder / "manifest.jsonl"
    names = [f"clips/{index:06d}.mp4" for index in range(spec.clips)]
    _claim(folder, spec)
    if manifest.is_file() and all((folder / name).is_file() for name in names):
        return manifest
    head = {"mvkit_manifest": 1, "card": "moving_shapes", "key": spec.key, "classes": spec.classes}
    lines = [json.dumps(head)]
    for index, name in enumerate(names):
        frames, truth = render(index, spec)
        if not (folder / name).is_file():
            _write_bytes(folder / name, encode(frames, spec.fps, alone=spec.story != "one"))
        labels = {label: truth.pop(label) for label in spec.classes}
        lines.append(json.dumps({"path": name, "labels": labels, **truth, "boxes": truth["boxes"].tolist()}))
        if progress is not None:
            progress(index + 1, spec.clips)
    _write_bytes(manifest, ("\n".join(lines) + "\n").encode())
    return manifest


def encode(frames: np.ndarray, fps: int, *, alone: bool = False) -> bytes:
    """frames (T, H, W, 3) uint8 -> the bytes of an mp4 file: H.264, closed groups of 12, no B-frames, yuv420p.

    alone: every frame is a keyframe at one quantiser, so that what is decoded of it depends on its own pixels only.
    """
    import av

    target = BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options=_EVERY_FRAME_ALONE if alone else _ENCODER)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1  # one thread gives the same bytes every time
        for number, image in enumerate(frames):
            # Turned into the encoder's pixels here: left to `encode` (PyAV 18.1), 7 of 900 clips got other bytes.
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target.getvalue()


def _claim(folder: Path, spec: ShapesSpec) -> None:
    """Leave `spec.json` in the folder, or check the one that is there."""
    path = folder / "spec.json"
    if path.is_file():
        try:
            found = json.loads(path.read_text())
            theirs, recipe = ShapesSpec.from_dict(found["spec"]), found["recipe"]
        except (ValueError, KeyError, TypeError) as err:
            raise DataError(f"{path} is not the record of a moving_shapes set ({err}); use an empty folder") from err
        if theirs == spec and recipe == RECIPE:
            return
        mine, other = asdict(spec), asdict(theirs)
        differs = [f"{name}={other[name]!r}" for name in mine if mine[name] != other[name]] or [f"recipe={recipe}"]
        raise DataError(f"{folder} holds moving_shapes with {', '.join(differs)}; use another folder for this spec")
    try:
        (folder / "clips").mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise DataError(f"{folder}: cannot make the folder for moving_shapes ({err}); choose a writable one") from err
    record = {"set": "moving_shapes", "recipe": RECIPE, "key": spec.key, "spec": spec.record}
    _write_bytes(path, json.dumps(record, indent=1).encode())


def _write_bytes(path: Path, data: bytes) -> None:
    try:
        with whole(path) as part:
            part.write_bytes(data)
    except OSError as err:
        raise DataError(f"{path}: cannot be written ({err}); choose a folder with room and rights") from err
