"""What a `moving_shapes` set is made from, as one frozen record.

The key of a set is a hash of every field and of `RECIPE`: equal keys mean equal pixels. Clip `i` depends on the seed
and on `i`, never on how many clips there are, so a larger set begins with the clips of the smaller one.
"""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256

from mvkit.errors import OptionError, unknown
from mvkit.plugins import build

# Raised by one whenever the drawing changes, so that folders written by older code are not taken for new ones.
RECIPE = 2

SHAPES = ("circle", "square", "triangle", "cross")
SPRITE_TEXTURES = ("striped", "checkered")
BACKGROUND_TEXTURES = ("striped", "checkered", "dotted")
COLOURS = {
    "red": (225, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 230),
    "yellow": (235, 215, 40),
    "orange": (245, 135, 25),
    "purple": (145, 55, 200),
    "cyan": (40, 200, 215),
    "pink": (245, 110, 185),
}
DIRECTIONS = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")
APPEARANCES = tuple(f"{texture} {shape}" for shape in SHAPES for texture in SPRITE_TEXTURES)

CLASSES: dict[str, tuple[str, ...]] = {"appearance": APPEARANCES, "motion": DIRECTIONS}
"""Label set -> class names; the label of a clip is the place of its class in the tuple."""

GROUP = 4
TOLD = {"one": (), "pair": ("pair",), "turn": ("turn",), "all": ("pair", "turn")}
"""Story -> what its groups of clips show by turns; "one" has no groups."""
STRAIGHT = DIRECTIONS[::2]
STORY_CLASSES = {"appearance": APPEARANCES, "motion": STRAIGHT, "second": STRAIGHT}
"""`CLASSES` of the other stories: motion is the first sprite's or leg's, second the other's; four directions."""
ANSWERS: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "which": SHAPES,
    **dict.fromkeys(("motion", "first", "last"), STRAIGHT),
    **dict.fromkeys(("before", "after"), ("yes", "no")),
}
"""Kind of question -> all its answers, in every story but "one"."""


@dataclass(frozen=True)
class ShapesSpec:
    """A `moving_shapes` set of `clips` clips, of which the last `val` are the val split.

    clips, val: counts; both balanced over all 64 pairs of labels when clips and val are multiples of 64, over each
    label set alone when they are multiples of 8.
    frames, size, fps: a clip is `frames` frames of size x size pixels; size even, at least 16.
    seed: whole number, 0 or more.
    background: texture kinds drawn behind, out of striped, checkered, dotted.
    sprite: smallest and largest sprite side, as a share of `size`.
    period: smallest and largest period of a sprite's texture, as a share of `size`; backgrounds: twice as much.
    speed: slowest and fastest sprite, in shares of `size` per frame. drift: the fastest background, same unit.
    distractors: smaller sprites that move by themselves, drawn under the main one; labels never speak of them.
    noise: standard deviation in grey levels (0-255), independent in every pixel.
    story: "one", a sprite that moves one way; "pair", two that move two ways; "turn", one that turns in the middle;
    "all", groups of pair and of turn by turns. All but "one" come in groups of 4 clips of one scene, so clips and val
    are multiples of 4 ("all": 8), and balanced in full when multiples of 256 ("all": 512); they have no distractors.
    Raises OptionError for a value out of range.
    """

    clips: int = 320
    val: int = 64
    frames: int = 24
    size: int = 64
    fps: int = 12
    seed: int = 0
    background: tuple[str, ...] = BACKGROUND_TEXTURES
    sprite: tuple[float, float] = (0.42, 0.55)
    period: tuple[float, float] = (0.2, 0.3)
    speed: tuple[float, float] = (0.02, 0.035)
    drift: float = 0.004
    distractors: int = 0
    noise: float = 1.0
    story: str = "one"

    def __post_init__(self) -> None:
        for name in ("background", "sprite", "period", "speed"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # lists read back from JSON
        lowest = {"clips": 1, "val": 0, "frames": 2, "size": 16, "fps": 1, "seed": 0, "distractors": 0}
        for name, low in lowest.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < low:
                raise OptionError(f"ShapesSpec: {name} must be a whole number of at least {low}, got {value!r}")
        if self.size % 2:
            raise OptionError(f"ShapesSpec: size must be even for yuv420p video, got {self.size}")
        if self.val >= self.clips:
            raise OptionError(f"ShapesSpec: val={self.val} leaves no training clip of clips={self.clips}")
        for name, top in (("sprite", 0.9), ("period", 0.5), ("speed", 0.25)):
            pair = getattr(self, name)
            if len(pair) != 2 or not 0 < pair[0] <= pair[1] <= top:
                raise OptionError(f"ShapesSpec: {name} must be (low, high) with 0 < low <= high <= {top}, got {pair}")
        if not 0 <= self.drift <= 0.25 or not 0 <= self.noise <= 64:
            raise OptionError(f"ShapesSpec: 0 <= drift <= 0.25 and 0 <= noise <= 64, got {self.drift} and {self.noise}")
        if not self.background or not set(self.background) <= set(BACKGROUND_TEXTURES):
            raise OptionError(f"ShapesSpec: background is some of {BACKGROUND_TEXTURES}, got {self.background}")
        if self.story not in TOLD:
            raise OptionError(unknown("story", self.story, TOLD))
        if self.story != "one":
            self._check_groups()

    def _check_groups(self) -> None:
        together = GROUP * len(TOLD[self.story])
        if self.clips % together or self.val % together:
            raise OptionError(
                f"ShapesSpec: story='{self.story}' tells {together} clips together: clips and val must be multiples "
                f"of {together}, got {self.clips} and {self.val}"
            )
        if self.frames < 3 or self.distractors:
            raise OptionError(
                f"ShapesSpec: story='{self.story}' needs 3 frames or more and no distractors, "
                f"got {self.frames} and {self.distractors}"
            )

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Label set -> class names."""
        return CLASSES if self.story == "one" else STORY_CLASSES

    @property
    def record(self) -> dict[str, object]:
        """The fields as JSON has them, `story` left out where it is "one": sets made before stories keep their key."""
        values = asdict(self)
        return values if self.story != "one" else {name: values[name] for name in values if name != "story"}

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that change with any field, and with the drawing code."""
        text = json.dumps({"recipe": RECIPE, **self.record}, sort_keys=True)
        return sha256(text.encode()).hexdigest()[:12]

    def split(self, index: int) -> str:
        """`train` or `val`, for clip `index`."""
        return "train" if index < self.clips - self.val else "val"

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "ShapesSpec":
        """The spec that `record` or `dataclasses.asdict` of one gives back. Raises OptionError for an unknown field."""
        return build(cls, "ShapesSpec", values)
