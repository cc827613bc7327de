"""Words for a pair or a turn: three captions, and questions whose answers neither they nor one frame give away.

Every clip of a group is asked about what it shows in the words its swap is asked in too, so that the answers to one
question are spread evenly over each group: see `stories`.
"""

from mvkit.data.shapes.captions import article
from mvkit.data.shapes.scene import Scene, Sprite
from mvkit.data.shapes.spec import DIRECTIONS

Question = dict[str, str]


def captions(scene: Scene) -> list[str]:
    """Three that say the same; the first tells in the order of events, the second the other way round."""
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
    """Question, answer and kind; answers are those of `spec.ANSWERS`."""
    asked = _of_turn(scene) if scene.story == "turn" else _of_pair(scene)
    return [{"kind": kind, "question": question, "answer": answer} for kind, question, answer in asked]


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
    return f"{article(sprite.colour)} {sprite.colour} {sprite.texture.kind} {sprite.shape}"
