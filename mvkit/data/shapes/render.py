"""From a scene to uint8 frames: background, then sprites, then noise, on a torus.

Sprites leave on one side and come back on the other, so the direction can be seen in every window of a clip, and the
place in a frame says nothing about it.
"""

from typing import Any

import numpy as np

from mvkit.data.shapes import telling
from mvkit.data.shapes.scene import Scene, Sprite
from mvkit.data.shapes.spec import COLOURS, DIRECTIONS, GROUP, STRAIGHT, ShapesSpec
from mvkit.data.shapes.stories import place_of, scene_of, siblings
from mvkit.data.shapes.textures import coverage, pattern, two_colours
from mvkit.data.shapes.tracks import boxes, tracks

_LIGHT = (245, 245, 240)


def render(index: int, spec: ShapesSpec | None = None) -> tuple[np.ndarray, dict[str, Any]]:
    """Clip `index` of a set: frames (T, H, W, 3) uint8 RGB, and what is true of it.

    The record holds `appearance` and `motion` (0..7, names in `CLASSES`), `caption`, `qa` (a list of question,
    answer, kind), `boxes` (S, T, 4) and `split`. Stories other than "one" have `motion` and `second` (0..3, names in
    `STORY_CLASSES`), three captions, `group`, `choices`, `choice` and `tracks`: see `mvkit.data.sample.Sample`.
    A pure function: the same index and spec give the same bytes. Raises OptionError for an index outside the set.
    """
    spec = ShapesSpec() if spec is None else spec
    scene = scene_of(index, spec)
    captions = telling.captions(scene)
    truth = {"appearance": scene.appearance, "motion": scene.motion, "caption": captions[0]}
    truth["qa"] = telling.questions(scene)
    if spec.story != "one":
        truth |= {"caption": captions, **_story(scene, index, spec)}
    return draw(scene, spec), {**truth, "boxes": boxes(scene, spec), "split": spec.split(index)}


def _story(scene: Scene, index: int, spec: ShapesSpec) -> dict[str, Any]:
    assert scene.second is not None
    return {
        "motion": STRAIGHT.index(DIRECTIONS[scene.motion]),
        "second": STRAIGHT.index(DIRECTIONS[scene.second]),
        "group": place_of(index, spec.story).name,
        # One list for the whole group: the right one stands at each place once.
        "choices": [telling.captions(other)[0] for other in siblings(index, spec)],
        "choice": index % GROUP,
        "tracks": tracks(scene, spec),
    }


def draw(scene: Scene, spec: ShapesSpec) -> np.ndarray:
    """(T, H, W, 3) uint8 frames of a scene."""
    time, pixels = np.arange(spec.frames)[:, None], np.arange(spec.size)[None] + 0.5
    levels = pattern(scene.background, pixels - time * scene.drift[0], pixels - time * scene.drift[1])
    bright = COLOURS[scene.background_colour]
    # Backgrounds run from a colour to its shade, sprites from a colour to near white: edges show in any one frame.
    frames = two_colours(levels, bright, tuple(int(0.4 * value) for value in bright))
    for sprite in reversed(scene.sprites):
        _paint(frames, sprite)
    return _with_noise(frames, spec.noise, scene.noise_seed) if spec.noise else frames


def _paint(frames: np.ndarray, sprite: Sprite) -> None:
    count, size = frames.shape[:2]
    centres = sprite.centres(count, size)
    reach = int(sprite.side / 2) + 2
    corner = np.floor(centres).astype(np.int64) - reach  # (T, 2)
    places = corner[:, :, None] + np.arange(min(2 * reach + 1, size))  # (T, 2, n)
    offsets = places + 0.5 - centres[:, :, None]
    u, v = offsets[:, 0], offsets[:, 1]
    share = np.rint(coverage(sprite.shape, sprite.side, u, v) * 256).astype(np.uint16)[..., None]
    paint = two_colours(pattern(sprite.texture, u, v), COLOURS[sprite.colour], _LIGHT)
    where = (np.arange(count)[:, None, None], (places[:, 1] % size)[:, :, None], (places[:, 0] % size)[:, None, :])
    mixed = frames[where] * (256 - share) + paint * share  # at most 255 * 256, fits 16 bits
    frames[where] = (mixed >> 8).astype(np.uint8)


def _with_noise(frames: np.ndarray, deviation: float, seed: int) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(seed))
    raw = np.frombuffer(generator.bytes(2 * frames.size), np.uint8).reshape(2, *frames.shape)
    # The sum of two uniform bytes has standard deviation 104.5: a table turns it into whole grey levels.
    table = np.rint((np.arange(511) - 255) * (deviation / 104.5)).astype(np.int16)
    total = raw[0].astype(np.int16)
    total += raw[1]
    noisy = table[total]
    noisy += frames
    return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
