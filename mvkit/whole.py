"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; its folder is made. It is moved to `path` where the block ends well, and gone
    where it raises. (`tempfile` would make it for the owner's eyes only.)"""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
