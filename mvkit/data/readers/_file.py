"""Opening a video file: one stream, the same one in every reader, or one line that says what is wrong with the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from mvkit.data.readers._messages import Heard, first_fault, heard
from mvkit.errors import DataError

# Demuxers that turn text into pictures, or follow a text file to other files.
_NOT_VIDEO = {"tty": "text", "hls": "a playlist", "concat": "a list of files", "sdp": "a session description"}


def check_file(path: Path) -> None:
    """Raises DataError where there is no ordinary, non-empty file."""
    if not path.exists():
        raise DataError(f"{path}: no such file; check the path, or the root folder of the manifest")
    if path.is_dir():
        raise DataError(f"{path}: a folder, wanted a video file; list the files in it")
    if not path.is_file():
        raise DataError(f"{path}: not an ordinary file (a pipe or device), wanted a video file")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: empty (0 bytes); download or copy it again")


class Opened(NamedTuple):
    """A file open for reading: its container, its one video stream, and what FFmpeg says of it."""

    container: InputContainer
    stream: VideoStream
    heard: Heard


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """The container and its best video stream, decoding on one thread. Raises DataError naming the file.

    One thread, because loader processes are the better use of cores, and because skipping pictures (`skip_frame`)
    takes effect packet by packet only without frame threads.
    """
    check_file(path)
    with heard() as messages:
        try:
            # Absolute, since FFmpeg takes "a:b.mp4" for a protocol; and local, since a file may name addresses.
            container = av.open(
                str(path.absolute()),
                metadata_errors="replace",
                container_options={"protocol_whitelist": "file"},
            )
        except (av.FFmpegError, OSError, ValueError) as err:
            why = first_fault(messages) or " ".join((getattr(err, "strerror", "") or str(err)).split())
            raise DataError(f"{path}: not a readable video ({why}); download it again or leave it out") from None
        with container:
            name = container.format.name
            if name in _NOT_VIDEO:
                raise DataError(f"{path}: {_NOT_VIDEO[name]}, wanted a video file")
            yield Opened(container, _best_stream(path, container), messages)


def _best_stream(path: Path, container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")
    pictures = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]  # no covers
    if stream is None and container.streams.video:
        raise DataError(f"{path}: a video stream of zero frames; leave it out")
    if not isinstance(stream, VideoStream) or not pictures:
        kinds = ", ".join(sorted({s.type for s in container.streams}))
        raise DataError(
            f"{path}: no video stream in it, {f'only {kinds}' if kinds else 'nothing at all'}; leave it out"
        )
    stream = stream if stream in pictures else pictures[0]
    if stream.codec_context is None:
        raise DataError(f"{path}: no decoder for its video stream; re-encode it with ffmpeg")
    stream.codec_context.thread_count = 1
    return stream
