"""Words for a scene of story "one": one caption and five questions with one-word or two-word answers."""

from mvkit.data.shapes.scene import Scene
from mvkit.data.shapes.spec import DIRECTIONS


def caption(scene: Scene) -> str:
    """Like "a red striped triangle moves up left over a blue checkered background"."""
    main = scene.sprites[0]
    subject = f"{article(main.colour)} {main.colour} {main.texture.kind} {main.shape}"
    ground = f"{article(scene.background_colour)} {scene.background_colour} {scene.background.kind} background"
    return f"{subject} moves {DIRECTIONS[scene.motion]} over {ground}"


def questions(scene: Scene) -> list[dict[str, str]]:
    """Question, answer and kind (shape, texture, colour, motion, background), always in that order."""
    main = scene.sprites[0]
    shape = main.shape
    return [
        {"kind": "shape", "question": "what shape is moving?", "answer": shape},
        {"kind": "texture", "question": f"what pattern does the {shape} have?", "answer": main.texture.kind},
        {"kind": "colour", "question": f"what colour is the {shape}?", "answer": main.colour},
        {"kind": "motion", "question": f"which way does the {shape} move?", "answer": DIRECTIONS[scene.motion]},
        {"kind": "background", "question": "what colour is the background?", "answer": scene.background_colour},
    ]


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
