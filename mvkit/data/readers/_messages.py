"""What FFmpeg says while it decodes. It reports damage in words long before it reports it in a return code.

An H.264 picture with "error while decoding MB 3 2" is handed out filled in, most often without its corrupt flag. PyAV
discards these messages by default; here those of the thread that reads are kept while a file is open.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from av import logging

# Said of sound streams too: a stream that was cut, or an encoder that unmarks a picture twice.
_HARMLESS = ("mmco: unref short failure",)

_lock = Lock()
_listeners = 0
_before: tuple[int | None, bool] = (None, True)

Heard = list[tuple[int, str, str]]
"""(level, who, text) of each message at level error or worse, oldest first."""


@contextmanager
def heard() -> Iterator[Heard]:
    """The messages of this thread from now on. PyAV's log settings are put back when the last listener leaves."""
    global _listeners, _before
    with _lock:
        if _listeners == 0:
            _before = (logging.get_level(), logging.get_skip_repeated())
            logging.set_level(max(logging.ERROR, _before[0] or 0))
            logging.set_skip_repeated(False)  # else the second file with the same fault goes unheard
        _listeners += 1
    try:
        with logging.Capture(local=True) as messages:
            yield messages
    finally:
        with _lock:
            _listeners -= 1
            if _listeners == 0:
                logging.set_level(_before[0])
                logging.set_skip_repeated(_before[1])


def first_fault(messages: Heard, who: str = "") -> str:
    """The first message that tells of damage, from that part of FFmpeg if one is named; "" if there is none."""
    for level, name, text in messages:
        if level <= logging.ERROR and who in ("", name) and not text.startswith(_HARMLESS):
            return " ".join(text.split()).rstrip(".")
    return ""
