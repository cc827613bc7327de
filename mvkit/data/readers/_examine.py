"""Judge one file: what it promises, what decodes soundly, and which readers give the same bytes as a full decode.

Run as a module it answers requests on standard input, one JSON object a line, and names each stage before it enters
it, so that whoever waits knows which decoder died. `mvkit.data.audit` is the one who waits.
"""

import json
import os
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mvkit.data.probe import VideoInfo, describe, file_stamp
from mvkit.data.readers._survey import Survey
from mvkit.data.readers.base import FrameReader
from mvkit.errors import DataError
from mvkit.plugins import load

_MOST_FRAMES = 24  # compared one by one: each costs opening the file again
_MOST_BYTES = 256 << 20  # of reference frames held at once
_FACTS = ("container", "codec", "width", "height", "rotation", "fps", "duration", "pixel_format")
_FACTS += ("has_b_frames", "open_gop", "variable_rate")


def examine(path: Path, readers: Sequence[str], tell: Callable[[dict], None], timeout: float) -> None:
    """Tell the findings on one file piece by piece: {"stage": ...} before a step, {"found": ...} after it."""
    tell({"stage": "opening"})
    try:
        info = describe(path, file_stamp(path))
        tell({"stage": "full decode"})
        known = {name: load("mvkit.data.readers", name, FrameReader, "reader")() for name in readers}
        # A reader known to go wrong on this kind of stream must prove itself on every frame.
        every = info.width * info.height * 3 * info.frames <= _MOST_BYTES and any(
            reader.doubt(info) for reader in known.values() if not reader.missing()
        )
        judge = Survey(info, timeout)
        samples = judge.frames(set(range(info.frames) if every else sample(info)))
    except DataError as err:
        tell({"found": {"state": "unreadable", "reason": str(err).removeprefix(f"{path}: ")}})
        return
    cut = info.timeline.cut
    found = {
        "state": "short" if cut else "damaged" if judge.verdict else "good",
        "reason": "; ".join(filter(None, [cut and f"cut short, it holds {cut}", judge.verdict])),
        "frames": max(info.frames, info.timeline.promised) if cut else info.frames,
        "sound": len(judge.good),
        "checked": len(samples),
        "video": {name: getattr(info, name) for name in _FACTS},
    }
    tell({"found": found})
    for name, reader in known.items() if found["state"] == "good" else ():
        tell({"stage": name})
        tell({"verdict": {name: compare(reader, info, samples, timeout)}})


def sample(info: VideoInfo) -> list[int]:
    """Numbers of the frames to compare: all of a short clip; of a longer one some beside keyframes and some others."""
    most = max(4, min(_MOST_FRAMES, _MOST_BYTES // (info.width * info.height * 3)))
    if info.frames <= most:
        return list(range(info.frames))
    # Readers that seek go wrong beside keyframes: in the pictures just before one and just after one.
    draw, last = random.Random(info.frames), info.frames - 1
    beside = sorted({k + d for k in info.keyframes for d in (-2, -1, 0, 1)} & set(range(1, last)))
    chosen = {0, last, *draw.sample(beside, min(most // 2, len(beside)))}
    rest = sorted(set(range(info.frames)) - chosen)
    return sorted(chosen | set(draw.sample(rest, most - len(chosen))))


def compare(reader: FrameReader, info: VideoInfo, samples: dict[int, np.ndarray], timeout: float) -> str:
    """ "exact" where the reader gives the same bytes for every sample, else how it differs or why it was not tried.

    Some are asked for one by one, all of them in groups drawn at random, so that it must seek in every way it can.
    """
    if missing := reader.missing():
        return f"not available: {missing}"
    doubt = reader.doubt(info)
    if doubt and len(samples) < info.frames:
        return f"not known to be exact on {doubt}, and too long to compare every frame"
    shuffled = random.Random(0).sample(sorted(samples), len(samples))
    groups = [sorted(shuffled[i : i + 8]) for i in range(0, len(shuffled), 8)]
    try:
        for numbers in [*([n] for n in sample(info)), *groups]:
            for number, frame in zip(numbers, reader.read(info, numbers, timeout), strict=True):
                if not np.array_equal(frame, samples[number]):
                    return _difference(number, frame, samples)
    except DataError as err:
        return str(err).removeprefix(f"{info.path}: ")
    return "exact"


def _difference(number: int, frame: np.ndarray, samples: dict[int, np.ndarray]) -> str:
    for other, picture in samples.items():
        if np.array_equal(frame, picture):
            return f"gives frame {other} for frame {number}"
    most = np.abs(frame.astype(np.int16) - samples[number]).max()
    return f"frame {number} differs by up to {most} of 255 grey levels"


def _serve() -> None:
    # Decoders print to standard output as they please; the answers keep a channel of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(message: dict) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    for line in sys.stdin:
        request = json.loads(line)
        examine(Path(request["path"]), request["readers"], tell, request["timeout"])
        tell({"done": True})


if __name__ == "__main__":
    _serve()
