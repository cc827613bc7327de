"""Words for a scene: captions, and questions with answers of one word or two.

Of a pair or a turn neither captions nor one frame give an answer away. Every clip of a group is asked about what it
shows in the words its swap is asked in too, so that the answers to one question are spread evenly over each group: see
`stories`.
"""

from mvkit.data.shapes.scene import Scene, Sprite
from mvkit.data.shapes.spec import DIRECTIONS

Question = dict[str, str]


def captions(scene: Scene) -> list[str]:
    """One of story "one"; else three that say the same, the first in the order of events, the second the other way."""
    if scene.story == "one":
        ground = f"{_article(scene.background_colour)} {scene.background_colour} {scene.background.kind} background"
        return [f"{_subject(scene.sprites[0])} moves {DIRECTIONS[scene.motion]} over {ground}"]
    first, second = _motions(scene)
    if scene.story == "turn":
        who = _subject(scene.sprites[0])
        return [
            f"{who} moves {first} and then {second}",
            f"{who} moves {second} after it moves {first}",
            f"{who} moves {first} before it moves {second}",
        ]
    one, other = (f"{_subject(sprite)} moves {way}" for sprite, way in zip(scene.sprites, (first, second), strict=True))
    return [f"{one} and {other}", f"{other} and {one}", f"{one} while {other}"]


def questions(scene: Scene) -> list[Question]:
    """Question, answer and kind, always in the same order; but in story "one" answers are those of `spec.ANSWERS`."""
    asked = {"one": _of_one, "turn": _of_turn, "pair": _of_pair}[scene.story](scene)
    return [{"kind": kind, "question": question, "answer": answer} for kind, question, answer in asked]


def _of_one(scene: Scene) -> list[tuple[str, str, str]]:
    main, shape = scene.sprites[0], scene.sprites[0].shape
    return [
        ("shape", "what shape is moving?", shape),
        ("texture", f"what pattern does the {shape} have?", main.texture.kind),
        ("colour", f"what colour is the {shape}?", main.colour),
        ("motion", f"which way does the {shape} move?", DIRECTIONS[scene.motion]),
        ("background", "what colour is the background?", scene.background_colour),
    ]


def _of_turn(scene: Scene) -> list[tuple[str, str, str]]:
    (first, second), shape = _motions(scene), scene.sprites[0].shape
    one, other = sorted((first, second))  # the same words for both orders
    yes, no = ("yes", "no") if first == one else ("no", "yes")
    return [
        ("shape", "what shape is moving?", shape),
        ("colour", f"what colour is the {shape}?", scene.sprites[0].colour),
        ("first", f"which way does the {shape} move first?", first),
        ("last", f"which way does the {shape} move last?", second),
        ("before", f"does the {shape} move {one} before it moves {other}?", yes),
        ("after", f"does the {shape} move {one} after it moves {other}?", no),
    ]


def _of_pair(scene: Scene) -> list[tuple[str, str, str]]:
    asked = []
    for sprite, way in zip(scene.sprites, _motions(scene), strict=True):
        asked += [
            ("shape", f"what shape is the {sprite.colour} one?", sprite.shape),
            ("colour", f"what colour is the {sprite.shape}?", sprite.colour),
            ("motion", f"which way does the {sprite.shape} move?", way),
            ("which", f"which shape moves {way}?", sprite.shape),
        ]
    return asked


def _motions(scene: Scene) -> tuple[str, str]:
    assert scene.second is not None
    return DIRECTIONS[scene.motion], DIRECTIONS[scene.second]


def _subject(sprite: Sprite) -> str:
    return f"{_article(sprite.colour)} {sprite.colour} {sprite.texture.kind} {sprite.shape}"


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
