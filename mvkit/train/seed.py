"""Every random draw of a run has its own seed, derived from the run's seed and what the draw is for.

Nothing depends on how many draws came before, so a resumed run repeats the same masks and the same order of clips.
"""

import hashlib

import torch


def derive(seed: int, *words: int | str) -> int:
    """A seed in [0, 2^63) for (seed, words), such as derive(3, "mask", step, rank); the same on every machine."""
    text = repr((int(seed), *words)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def generator(seed: int, *words: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator on `device`, seeded by `derive`."""
    return torch.Generator(device=device).manual_seed(derive(seed, *words))
