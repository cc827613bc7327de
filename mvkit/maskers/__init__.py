"""Masking strategies, one file each; the file's name is the strategy's name."""

from typing import Any

from mvkit import plugins
from mvkit.maskers.base import MaskContext as MaskContext
from mvkit.maskers.base import Masker as Masker
from mvkit.maskers.base import MaskSet as MaskSet
from mvkit.maskers.base import TokenMask as TokenMask


def available() -> tuple[str, ...]:
    """Names of all strategies."""
    return plugins.available(__name__)


def get(name: str) -> type[Masker]:
    """The class of a strategy by its name or alias. Raises OptionError, listing the known names."""
    if name not in available():
        for known in available():
            cls = plugins.load(__name__, known, Masker, "masker")
            if name in cls.aliases:
                return cls
    return plugins.load(__name__, name, Masker, "masker")


def create(name: str, **options: Any) -> Masker:
    """A strategy with options: `create("tube", ratio=0.9)`. Raises OptionError or MaskError."""
    return plugins.build(get(name), f"masker '{name}'", options)
