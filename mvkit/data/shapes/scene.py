"""What one clip shows, drawn from (seed, index) before a pixel is made.

Labels come from a shuffled Latin square, not from chance: every 8 consecutive clips show each appearance and each
motion once, every 64 each pair once. So knowing one label tells nothing of the other, in any aligned part of a set.
Everything else (places, sizes, colours, background, drift) is drawn without looking at the labels.
"""

from dataclasses import dataclass

import numpy as np

from mvkit.data.shapes.spec import COLOURS, SHAPES, SPRITE_TEXTURES, ShapesSpec

_HALF = 0.5**0.5
# Unit steps (x, y) for DIRECTIONS; y grows downwards.
STEPS = ((1, 0), (_HALF, _HALF), (0, 1), (-_HALF, _HALF), (-1, 0), (-_HALF, -_HALF), (0, -1), (_HALF, -_HALF))


@dataclass(frozen=True)
class Texture:
    """A two-colour pattern: kind, period in pixels, angle in radians, phases of its two waves in turns."""

    kind: str
    period: float
    angle: float
    phases: tuple[float, float]


@dataclass(frozen=True)
class Sprite:
    """One moving figure on a torus: side, place of its centre at frame 0 and step per frame, all in pixels.

    then: its step from the middle frame (T // 2) on, where it turns.
    """

    shape: str
    texture: Texture
    colour: str
    side: float
    start: tuple[float, float]
    step: tuple[float, float]
    then: tuple[float, float] | None = None

    @property
    def appearance(self) -> int:
        """Place of its look in `APPEARANCES`."""
        return SHAPES.index(self.shape) * len(SPRITE_TEXTURES) + SPRITE_TEXTURES.index(self.texture.kind)

    def centres(self, frames: int, size: int) -> np.ndarray:
        """(T, 2) x, y of the centre in every frame, 0 <= value < size."""
        time = np.arange(frames)[:, None]
        if self.then is None:
            return (np.array(self.start) + time * np.array(self.step)) % size
        first, second = np.minimum(time, frames // 2), np.maximum(time - frames // 2, 0)
        return (np.array(self.start) + first * np.array(self.step) + second * np.array(self.then)) % size


@dataclass(frozen=True)
class Scene:
    """Labels, background and sprites of one clip; `sprites[0]` is in front, and the one the labels speak of.

    motion, second: places in `DIRECTIONS`. Of a pair, second is how `sprites[1]` moves; of a turn, the second leg.
    """

    appearance: int
    motion: int
    background: Texture
    background_colour: str
    drift: tuple[float, float]
    sprites: tuple[Sprite, ...]
    noise_seed: int
    story: str = "one"
    second: int | None = None


class Draws:
    """Uniform numbers of one clip. Only `Generator.random` is used: its stream is the same in every NumPy."""

    def __init__(self, *key: int) -> None:
        self.random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(key))).random

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self.random())

    def below(self, count: int) -> int:
        return int(self.random() * count)

    def order(self, count: int) -> list[int]:
        return np.argsort(self.random(count), kind="stable").tolist()


def labels_of(index: int, seed: int) -> tuple[int, int]:
    """(appearance, motion) of clip `index`, each 0..7."""
    block, place = divmod(index, 64)
    draws = Draws(seed, 1, block)
    appearance_names, motion_names, rows = draws.order(8), draws.order(8), draws.order(8)
    within = [draws.order(8) for _ in range(8)]
    row, column = rows[place // 8], within[place // 8][place % 8]
    return appearance_names[column], motion_names[(column + row) % 8]


def single_scene(index: int, spec: ShapesSpec) -> Scene:
    """Everything clip `index` of story "one" shows."""
    appearance, motion = labels_of(index, spec.seed)
    draws = Draws(spec.seed, 2, index)
    sprite_colour, background_colour, *others = (list(COLOURS)[i] for i in draws.order(len(COLOURS)))
    main = draw_sprite(draws, spec, appearance, motion, sprite_colour, spec.sprite)
    low, high = spec.sprite
    aside = Draws(spec.seed, 3, index)  # a stream of their own: distractors change nothing else
    small = tuple(
        draw_sprite(aside, spec, aside.below(8), aside.below(8), others[i % len(others)], (low / 2, high / 2))
        for i in range(spec.distractors)
    )
    coarse = (2 * spec.period[0], 2 * spec.period[1])
    background = draw_texture(draws, spec.background[draws.below(len(spec.background))], coarse, spec.size)
    turn, speed = 2 * np.pi * float(draws.random()), spec.drift * spec.size * float(draws.random())
    # Rounded: cosines of the platform's library may differ in the last bit, pixels must not.
    drift = (round(speed * np.cos(turn), 6), round(speed * np.sin(turn), 6))
    return Scene(appearance, motion, background, background_colour, drift, (main, *small), draws.below(2**31))


def draw_sprite(
    draws: Draws, spec: ShapesSpec, appearance: int, motion: int, colour: str, share: tuple[float, float]
) -> Sprite:
    shape, texture = divmod(appearance, len(SPRITE_TEXTURES))
    side = spec.size * draws.between(*share)
    start = (spec.size * float(draws.random()), spec.size * float(draws.random()))
    speed = spec.size * draws.between(*spec.speed)
    step = (speed * STEPS[motion][0], speed * STEPS[motion][1])
    pattern = draw_texture(draws, SPRITE_TEXTURES[texture], spec.period, spec.size)
    return Sprite(SHAPES[shape], pattern, colour, side, start, step)


def draw_texture(draws: Draws, kind: str, period: tuple[float, float], size: int) -> Texture:
    # Four angles 45 degrees apart: at periods near one patch, freely turned gratings learned more slowly.
    angle = draws.below(4) * np.pi / 4
    return Texture(kind, size * draws.between(*period), angle, (float(draws.random()), float(draws.random())))
