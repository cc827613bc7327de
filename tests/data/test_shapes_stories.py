"""Stories of moving_shapes: clips that only the order of words and the whole clip tell apart, shown by counting."""

from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from mvkit.data import shapes
from mvkit.data.shapes.render import draw
from mvkit.data.shapes.scene import STEPS
from mvkit.data.shapes.spec import APPEARANCES, COLOURS, SHAPES, STRAIGHT
from mvkit.errors import OptionError

# One age of the looks: 64 groups of a story. Small and short, since most tests read words only.
WHOLE = shapes.ShapesSpec(clips=256, val=64, frames=3, size=16, story="pair")
FRAME_TELLS = ("shape", "colour")


@cache
def truths(story: str) -> list[dict]:
    return [shapes.render(index, replace(WHOLE, story=story))[1] for index in range(WHOLE.clips)]


def groups_of(story: str) -> list[list[dict]]:
    found = truths(story)
    return [found[first : first + 4] for first in range(0, len(found), 4)]


def answers_by(story: str, clips: list[dict]) -> dict[tuple[str, str], Counter]:
    """(kind, question) -> how often each answer is right."""
    found: dict[tuple[str, str], Counter] = defaultdict(Counter)
    for truth in clips:
        for item in truth["qa"]:
            found[item["kind"], item["question"]][item["answer"]] += 1
    return found


@pytest.mark.parametrize("story", ["pair", "turn"])
def test_the_clips_of_a_group_begin_with_the_same_pixels_and_go_on_with_others(story):
    spec = shapes.ShapesSpec(clips=16, val=4, story=story, size=32)
    for first in range(0, 16, 4):
        clips = [shapes.render(first + member, spec)[0] for member in range(4)]
        assert all((clip[0] == clips[0][0]).all() for clip in clips)
        assert all((a[8] != b[8]).any() for a, b in combinations(clips, 2))
        later = shapes.render((first + 4) % 16, spec)[0]
        assert (later[0] != clips[0][0]).any()


@pytest.mark.parametrize("story", ["pair", "turn"])
def test_every_clip_has_its_swap_in_its_group_and_every_motion_comes_once(story):
    for group in groups_of(story):
        pairs = [(truth["motion"], truth["second"]) for truth in group]
        assert sorted(motion for motion, _ in pairs) == sorted(second for _, second in pairs) == [0, 1, 2, 3]
        assert {(b, a) for a, b in pairs} == set(pairs)
        assert len({truth["group"] for truth in group}) == 1
    assert len({truth["group"] for truth in truths(story)}) == 64


@pytest.mark.parametrize("story", ["pair", "turn"])
def test_a_question_and_the_first_frame_leave_every_answer_equally_likely(story):
    """A group is one first frame. "Which" leaves the two shapes of the frame; shape and colour are seen in it."""
    left = {"which": 2, "before": 2, "after": 2, "motion": 4, "first": 4, "last": 4}
    for group in groups_of(story):
        for (kind, question), answers in answers_by(story, group).items():
            assert len(answers) == left.get(kind, 1), question
            assert len(set(answers.values())) == 1, question


@pytest.mark.parametrize("story", ["pair", "turn"])
def test_a_question_alone_leaves_every_answer_of_its_kind_equally_likely(story):
    asked = answers_by(story, truths(story))
    for (kind, question), answers in asked.items():
        assert set(answers) == set(shapes.ANSWERS[kind]), question
        assert len(set(answers.values())) == 1, (question, answers)
    kinds = {"pair": {"motion", "which"}, "turn": {"first", "last", "before", "after"}}[story]
    assert {kind for kind, _ in asked} == {*FRAME_TELLS, *kinds}


@pytest.mark.parametrize("story", ["pair", "turn"])
def test_a_question_about_motion_is_as_even_in_every_eight_groups(story):
    for first in range(0, 256, 32):
        for (kind, question), answers in answers_by(story, truths(story)[first : first + 32]).items():
            if kind not in FRAME_TELLS:
                assert set(answers) == set(shapes.ANSWERS[kind]) and len(set(answers.values())) == 1, question


@pytest.mark.parametrize("story", ["pair", "turn"])
def test_the_right_choice_stands_at_every_place_once_and_the_others_are_of_the_same_looks(story):
    for group in groups_of(story):
        assert [truth["choice"] for truth in group] == [0, 1, 2, 3]
        assert len({tuple(truth["choices"]) for truth in group}) == 1
        assert len(set(group[0]["choices"])) == 4
        for truth in group:
            assert truth["choices"][truth["choice"]] == truth["caption"][0]
        # Of a pair and its swap, the same words in another order.
        words = Counter(tuple(sorted(choice.replace("an ", "a ").split())) for choice in group[0]["choices"])
        assert sorted(words.values()) == [2, 2]


@pytest.mark.parametrize("story", ["pair", "turn"])
def test_captions_differ_from_clip_to_clip_and_tell_what_the_labels_tell(story):
    said = [caption for truth in truths(story) for caption in truth["caption"]]
    assert len(set(said)) == 3 * 256
    assert max(len(caption.split()) for caption in said) < 30
    for truth in truths(story):
        first, second = STRAIGHT[truth["motion"]], STRAIGHT[truth["second"]]
        main, other, _ = truth["caption"]
        look = APPEARANCES[truth["appearance"]]
        assert f"{look} moves " in main and not main.startswith(("a orange", "an red"))
        if story == "turn":
            assert main.endswith(f"{look} moves {first} and then {second}")
            assert other.endswith(f"{look} moves {second} after it moves {first}")
        else:
            one, two = main.split(" and ")
            assert one.endswith(f"{look} moves {first}") and two.endswith(f" moves {second}")
            assert other == f"{two} and {one}"


def test_sixty_four_groups_show_every_appearance_in_every_colour_once_on_either_sprite():
    scenes = [shapes.scene_of(index, WHOLE) for index in range(0, 256, 4)]
    for which in (0, 1):
        looks = Counter((scene.sprites[which].appearance, scene.sprites[which].colour) for scene in scenes)
        assert len(looks) == 64 == len(APPEARANCES) * len(COLOURS)
    for scene in scenes:
        front, behind = scene.sprites
        assert front.shape != behind.shape and front.side < behind.side
        assert len({front.colour, behind.colour, scene.background_colour}) == 3


def test_all_tells_pairs_and_turns_by_turns_and_they_are_those_of_the_sets_of_one_story():
    names = [shapes.render(index, replace(WHOLE, story="all"))[1]["group"] for index in range(0, 24, 4)]
    assert names == [f"{story}-{number:06d}" for number in range(3) for story in ("pair", "turn")]
    for index, story, same in ((13, "turn", 5), (17, "pair", 9)):
        mixed = shapes.render(index, replace(WHOLE, story="all"))[0]
        assert (mixed == shapes.render(same, replace(WHOLE, story=story))[0]).all()


def test_no_frame_shows_by_the_places_of_sprites_what_they_do():
    """Places are uniform on the torus for every motion, also later than in the first frame, alone and together."""
    for story in ("pair", "turn"):
        spec = shapes.ShapesSpec(clips=1024, val=0, story=story)
        scenes = [shapes.scene_of(index, spec) for index in range(1024)]
        motions = np.array([scene.motion for scene in scenes])
        places = np.stack([[s.centres(24, 64)[17] for s in scene.sprites] for scene in scenes])  # (n, S, 2)
        found = [places[:, 0], places[:, 0] - places[:, 1]] if story == "pair" else [places[:, 0]]
        for values in found:
            waves = np.exp(2j * np.pi * values / 64)
            means = [abs(waves[motions == motion].mean(0)).max() for motion in (0, 2, 4, 6)]
            assert max(means) < 3.5 / 256**0.5, (story, means)  # of 256 clips each


def test_sprites_go_where_their_tracks_and_captions_say():
    for story in ("pair", "turn"):
        spec = shapes.ShapesSpec(clips=16, val=4, frames=9, story=story)
        for index in range(16):
            truth = shapes.render(index, spec)[1]
            assert len(truth["tracks"]) == len(truth["boxes"]) == (2 if story == "pair" else 1)
            for track, boxes in zip(truth["tracks"], truth["boxes"], strict=True):
                moved = (np.diff(boxes[:, :2], axis=0) + 32) % 64 - 32
                for step, motion in zip(moved, track["labels"]["motion"], strict=False):
                    way = STEPS[2 * motion]
                    assert step @ way > 1 and abs(step @ way[::-1]) < 0.02
            ways = [track["labels"]["motion"] for track in truth["tracks"]]
            if story == "turn":
                assert ways == [[truth["motion"]] * 4 + [truth["second"]] * 5]
            else:
                assert ways == [[truth["motion"]] * 9, [truth["second"]] * 9]
            assert truth["tracks"][0]["labels"]["appearance"] == [truth["appearance"]] * 9


def test_a_track_has_the_largest_visible_part_of_a_box_as_shares_of_the_frame():
    spec = shapes.ShapesSpec(clips=64, val=4, story="pair")
    cut = 0
    for index in range(0, 64, 5):
        truth = shapes.render(index, spec)[1]
        for track, boxes in zip(truth["tracks"], truth["boxes"], strict=True):
            for box, shares in zip(boxes, track["boxes"], strict=True):
                areas = [(right - left) * (bottom - top) for left, top, right, bottom in shapes.pieces(box, 64)]
                left, top, right, bottom = (64 * share for share in shares)
                assert 0 <= left < right <= 64 and 0 <= top < bottom <= 64
                assert (right - left) * (bottom - top) == pytest.approx(max(areas), abs=0.3)
                cut += len(areas) > 1
    assert cut > 100


def test_pairs_show_both_sprites_in_every_frame():
    spec = shapes.ShapesSpec(clips=64, val=4, story="pair", noise=0.0)
    for index in range(0, 64, 7):
        scene = shapes.scene_of(index, spec)
        frames = shapes.render(index, spec)[0]
        for sprite in scene.sprites:
            others = tuple(other for other in scene.sprites if other is not sprite)
            without = draw(replace(scene, sprites=others), spec)
            changed = (frames != without).any(-1).sum((1, 2))
            assert changed.min() > 0.15 * sprite.side**2, index


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"story": "both"}, "unknown story 'both'"),
        ({"story": "pair", "clips": 66}, "multiples of 4, got 66 and 64"),
        ({"story": "turn", "val": 30}, "multiples of 4"),
        ({"story": "all", "clips": 324}, "tells 8 clips together"),
        ({"story": "turn", "frames": 2}, "needs 3 frames"),
        ({"story": "pair", "distractors": 1}, "no distractors"),
    ],
)
def test_stories_that_cannot_be_told_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        shapes.ShapesSpec(**options)


def test_no_group_is_parted_between_train_and_val():
    for clips, val in ((320, 64), (24, 8)):
        spec = shapes.ShapesSpec(clips=clips, val=val, story="all")
        for first in range(0, clips, 4):
            assert len({spec.split(first + member) for member in range(4)}) == 1
    assert set(shapes.ANSWERS["which"]) == set(SHAPES)
