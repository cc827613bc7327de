"""Scenes whose words must be read in order: two sprites with two motions, or one sprite that turns.

Clips come in groups of four of one scene: same looks, places, speeds, background and noise, so that their first frames
are the same pixels. Only the motions differ, the four directions a, b, c, d as (a, b) (b, a) (c, d) (d, c) in a
shuffled order. So in every group each motion is the answer to "which way" once, each clip has its swap beside it, and
neither a question nor a question and that frame tell one member from another. At other frames the place of a sprite is
uniform on the torus whatever it does.
"""

from dataclasses import dataclass, replace

from mvkit.data.shapes.scene import STEPS, Draws, Scene, Sprite, draw_sprite, draw_texture, single_scene
from mvkit.data.shapes.spec import COLOURS, GROUP, TOLD, ShapesSpec
from mvkit.errors import OptionError

# The ways to part right, down, left, up (places in DIRECTIONS) into two pairs.
_PARTINGS = (((0, 4), (2, 6)), ((0, 2), (4, 6)), ((0, 6), (2, 4)))
# Two sprites share the frame: the one in front is small enough never to hide the other.
_FRONT, _BEHIND = 0.65, 0.9


@dataclass(frozen=True)
class Place:
    """Where a clip stands: its story, the number of its group among those of the story, its place in the group."""

    story: str
    group: int
    member: int

    @property
    def name(self) -> str:
        """Of the group, like "pair-000003"."""
        return f"{self.story}-{self.group:06d}"


def place_of(index: int, story: str) -> Place:
    """Where clip `index` stands in a set of a story other than "one"."""
    group, member = divmod(index, GROUP)
    group, told = divmod(group, len(TOLD[story]))
    return Place(TOLD[story][told], group, member)


def scene_of(index: int, spec: ShapesSpec) -> Scene:
    """Everything clip `index` shows. Raises OptionError for an index outside the set."""
    if not 0 <= index < spec.clips:
        raise OptionError(f"moving_shapes has clips 0..{spec.clips - 1}, got index {index}")
    return single_scene(index, spec) if spec.story == "one" else _told(place_of(index, spec.story), spec)


def siblings(index: int, spec: ShapesSpec) -> list[Scene]:
    """The scenes of the group of clip `index`, in order."""
    first = index - index % GROUP
    return [scene_of(first + member, spec) for member in range(GROUP)]


def _told(place: Place, spec: ShapesSpec) -> Scene:
    kind = TOLD["all"].index(place.story)
    (appearance, colour), (other, other_colour), ground = _looks(spec.seed, kind, place.group)
    draws = Draws(spec.seed, 4, kind, place.group)
    motion, second = _motions(spec.seed, kind, place.group)[draws.order(GROUP)[place.member]]
    if place.story == "pair":
        sprites = (
            _resized(draws, spec, (appearance, motion, colour), _FRONT),
            _resized(draws, spec, (other, second, other_colour), _BEHIND),
        )
    else:
        sprite = draw_sprite(draws, spec, appearance, motion, colour, spec.sprite)
        sprites = (replace(sprite, then=_along(second, sprite.step)),)
    coarse = (2 * spec.period[0], 2 * spec.period[1])
    background = draw_texture(draws, spec.background[draws.below(len(spec.background))], coarse, spec.size)
    # Straight drifts: a free angle would ask for cosines, which differ in the last bit from platform to platform.
    speed, way = spec.drift * spec.size * float(draws.random()), STEPS[draws.below(len(STEPS))]
    drift = (round(speed * way[0], 6), round(speed * way[1], 6))
    return Scene(appearance, motion, background, ground, drift, sprites, draws.below(2**31), place.story, second)


def _resized(draws: Draws, spec: ShapesSpec, look: tuple[int, int, str], share: float) -> Sprite:
    low, high = spec.period
    appearance, motion, colour = look
    side = (share * spec.sprite[0], share * spec.sprite[1])
    return draw_sprite(draws, replace(spec, period=(share * low, share * high)), appearance, motion, colour, side)


def _along(motion: int, step: tuple[float, float]) -> tuple[float, float]:
    """A step as long as this straight one, another way."""
    length = abs(step[0]) + abs(step[1])
    return (length * STEPS[motion][0], length * STEPS[motion][1])


def _motions(seed: int, kind: int, group: int) -> list[tuple[int, int]]:
    """The four pairs of motions of a group; of three groups in a row each parting is taken once."""
    triple, place = divmod(group, len(_PARTINGS))
    parting = _PARTINGS[Draws(seed, 5, kind, triple).order(len(_PARTINGS))[place]]
    return [pair for a, b in parting for pair in ((a, b), (b, a))]


def _looks(seed: int, kind: int, group: int) -> tuple[tuple[int, str], tuple[int, str], str]:
    """Appearance and colour of the first sprite, of the second, and the colour of the background of a group.

    8 groups in a row show every appearance once on either sprite, 64 every appearance in every colour. The second
    differs from the first in shape and in colour.
    """
    block, place = divmod(group, 8)
    age = Draws(seed, 6, kind, block // 8)  # what stays for 64 groups
    colours = [list(COLOURS)[i] for i in age.order(8)]
    turn = age.below(3) - 1
    draws = Draws(seed, 7, kind, block)
    first = draws.order(8)[place]
    apart = 2 + draws.below(5)  # 2..6 places on is another shape; with `turn`, 1..7 is another colour
    second = (first + apart) % 8
    behind = [step for step in range(1, 8) if step != apart + turn][draws.below(6)]
    base = first + block
    return (first, colours[base % 8]), (second, colours[(base + apart + turn) % 8]), colours[(base + behind) % 8]
