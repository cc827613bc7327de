import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from mvkit.errors import OptionError, ShapeError
from mvkit.eval.average_precision import Claims, average_precision, frame_map

NAMES = ("walk", "talk", "fly")
A, B, C = [0.0, 0.0, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9], [0.5, 0.0, 0.9, 0.4]


def claims(*rows):
    """rows: (box, scores or truths of the three classes)."""
    return Claims(
        np.array([box for box, _ in rows], float).reshape(-1, 4), np.array([c for _, c in rows]).reshape(-1, 3)
    )


def scored(truth, found, **options):
    return frame_map(truth, found, NAMES, resamples=0, **options)


@pytest.mark.parametrize(
    ("scores", "right", "positives", "wanted"),
    [
        ([0.9, 0.8, 0.7], [1, 0, 1], 2, (1 + 2 / 3) / 2),
        ([0.9, 0.8, 0.7], [0, 1, 1], 2, 2 / 3),  # precision 0, 1/2, 2/3 is made falling: 2/3 everywhere
        ([0.9, 0.8, 0.7], [1, 0, 1], 4, (1 + 2 / 3) / 4),  # two true boxes are never found
        ([0.5, 0.5, 0.5, 0.5], [1, 0, 0, 0], 1, 1 / 4),  # equal scores enter together
        ([0.5, 0.5, 0.9], [1, 0, 1], 2, (1 + 2 / 3) / 2),
        ([0.9, 0.1], [0, 0], 3, 0.0),
        ([], [], 3, 0.0),
    ],
)
def test_average_precision_of_cases_worked_out_by_hand(scores, right, positives, wanted):
    assert average_precision(np.array(scores), np.array(right, bool), positives) == pytest.approx(wanted)


def test_average_precision_without_anything_true_is_no_number():
    assert np.isnan(average_precision(np.array([0.3]), np.array([False]), 0))


def test_it_is_scikit_learns_where_precision_falls_already():
    right = np.array([1, 1, 1, 0, 0, 1, 0, 0], bool)
    scores = np.array([0.9, 0.8, 0.7, 0.7, 0.5, 0.4, 0.4, 0.1])
    assert average_precision(scores, right, 4) == pytest.approx(average_precision_score(right, scores))


# Two frames, by hand. walk: true A and B in frame 1, A in frame 2. talk: true B in frame 1. fly: nowhere.
TRUTH = {1: claims((A, [1, 0, 0]), (B, [1, 1, 0])), 2: claims((A, [1, 0, 0]))}
TABLE = [
    # all found, nothing else said
    ({1: [(A, [0.9, np.nan, np.nan]), (B, [0.8, 0.7, np.nan])], 2: [(A, [0.6, np.nan, np.nan])]}, 1.0, 1.0),
    # the scores of classes that are not true come last
    ({1: [(A, [0.9, 0.1, 0.1]), (B, [0.8, 0.7, 0.2])], 2: [(A, [0.6, 0.3, 0.4])]}, 1.0, 1.0),
    # frame 2 is missing: two of three walks
    ({1: [(A, [0.9, 0.1, 0]), (B, [0.8, 0.7, 0])]}, 2 / 3, 1.0),
    # a second claim on A is wrong, and as sure as it may be: right, wrong, right, right -> 1, 3/4, 3/4
    ({1: [(A, [0.9, 0, 0]), (A, [0.85, 0, 0]), (B, [0.8, 0.7, 0])], 2: [(A, [0.6, 0, 0])]}, (1 + 0.75 + 0.75) / 3, 1.0),
    # a box where nobody is, surest of all, in a frame without truth
    ({1: [(A, [0.9, 0, 0]), (B, [0.8, 0.7, 0])], 2: [(A, [0.6, 0, 0])], 3: [(C, [1.0, 0, 0])]}, 0.75, 1.0),
    # B moved out of reach: walk finds two of three, talk nothing
    ({1: [(A, [0.9, 0, 0]), (C, [0.1, 0.7, 0])], 2: [(A, [0.6, 0, 0])]}, 2 / 3, 0.0),
    # nothing at all
    ({}, 0.0, 0.0),
]


@pytest.mark.parametrize(("found", "walk", "talk"), TABLE)
def test_frame_map_of_a_table_worked_out_by_hand(found, walk, talk):
    said = scored(TRUTH, {moment: claims(*rows) for moment, rows in found.items()})
    assert said.per_class == {"walk": pytest.approx(walk), "talk": pytest.approx(talk), "fly": None}
    assert said.mean.value == pytest.approx((walk + talk) / 2)
    assert said.empty == ("fly",) and said.positives == {"walk": 3, "talk": 1, "fly": 0}


def test_missing_frames_and_frames_without_truth_are_counted():
    counts = scored(TRUTH, {3: claims((C, [1.0, 0, 0]), (A, [0.5, 0, 0]))}).counts
    assert counts == {
        "frames": 3, "true boxes": 3, "found boxes": 2, "frames without a find": 2, "frames without a true box": 1,
    }  # fmt: skip


def test_a_claim_is_made_on_the_box_it_overlaps_most_even_if_that_one_is_taken():
    near = [0.05, 0.0, 0.45, 0.4]
    truth = {1: claims((A, [1, 0, 0]), (near, [1, 0, 0]))}
    found = {1: claims((A, [0.9, 0, 0]), (A, [0.8, 0, 0]))}
    assert scored(truth, found).per_class["walk"] == 0.5


def test_an_overlap_of_exactly_a_half_is_enough():
    truth, half = {1: claims(([0, 0, 1, 1], [1, 0, 0]))}, {1: claims(([0, 0, 1, 0.5], [1, 0, 0]))}
    less = {1: claims(([0, 0, 1, 0.499], [1, 0, 0]))}
    assert scored(truth, half).mean.value == 1 and scored(truth, less).mean.value == 0
    assert scored(truth, less, overlap=0.4).mean.value == 1


def slow(truth, found, column):
    """Average precision from the definition: every threshold, true boxes hit at it, no matching in an order."""

    def overlap(a, b):
        sides = [max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1)]
        area = sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)) - sides[0] * sides[1]
        return sides[0] * sides[1] / area

    said = [
        (row[column], moment, box)
        for moment, (boxes, rows) in found.items()
        for box, row in zip(boxes, rows, strict=True)
        if row[column] == row[column]
    ]
    there = {m: [box for box, row in zip(*part, strict=True) if row[column]] for m, part in truth.items()}
    positives = sum(map(len, there.values()))
    if not positives:
        return None
    points = []
    for least in {score for score, _, _ in said}:
        hit, claims_made = set(), 0
        for score, moment, box in said:
            if score >= least:
                claims_made += 1
                best = max(((overlap(box, other), -i) for i, other in enumerate(there.get(moment, []))), default=(0, 0))
                if best[0] >= 0.5:
                    hit.add((moment, best[1]))
        points.append((len(hit), len(hit) / claims_made))
    return sum(max((p for hits, p in points if hits >= k), default=0.0) for k in range(1, positives + 1)) / positives


@pytest.mark.parametrize("seed", range(12))
def test_frame_map_equals_a_slow_one_written_from_the_definition(seed):
    draws = np.random.default_rng(seed)

    def boxes(count):
        # Few places, so that boxes overlap, repeat and tie.
        corner = draws.integers(0, 4, (count, 2)) / 8
        return np.concatenate([corner, corner + draws.integers(2, 5, (count, 2)) / 8], 1)

    truth, found = {}, {}
    for frame in range(9):
        truth[frame] = Claims(b := boxes(draws.integers(0, 4)), draws.random((len(b), 3)) < [0.6, 0.3, 0.0])
        scores = draws.integers(0, 5, (len(b := boxes(draws.integers(0, 5))), 3)) / 4
        found[frame] = Claims(b, np.where(draws.random(scores.shape) < 0.2, np.nan, scores))
    del truth[0], found[1]
    said = scored(truth, found)
    for column, name in enumerate(NAMES):
        wanted = slow(truth, found, column)
        assert said.per_class[name] == (wanted if wanted is None else pytest.approx(wanted)), name


def test_the_order_of_frames_and_boxes_does_not_matter():
    found = {1: claims((B, [0.5, 0.7, 0]), (A, [0.5, 0.7, 0]), (C, [0.5, 0.7, 0])), 2: claims((A, [0.5, 0.1, 0]))}
    turned = {m: Claims(part.boxes[::-1], part.classes[::-1]) for m, part in reversed(found.items())}
    assert scored(TRUTH, found).per_class == scored(TRUTH, turned).per_class


def test_only_the_classes_asked_for_are_scored():
    found = {1: claims((A, [0.9, 0, 0]), (C, [0.1, 0.7, 0])), 2: claims((A, [0.6, 0, 0]))}
    assert scored(TRUTH, found, scored={"walk"}).mean.value == pytest.approx(2 / 3)
    with pytest.raises(OptionError, match="did you mean 'walk'"):
        scored(TRUTH, found, scored={"walkk"})


def test_the_interval_holds_the_value_and_repeats_with_its_seed():
    draws = np.random.default_rng(1)
    truth = {i: claims((A, [1, 0, 0]), (B, [0, 1, 0])) for i in range(40)}
    found = {i: claims((A, draws.random(3)), (B, draws.random(3))) for i in range(40)}
    one, again, other = (frame_map(truth, found, NAMES, seed=seed, resamples=50).mean for seed in (0, 0, 1))
    assert one == again != other and one.low < one.value < one.high and one.clips == 40
    alone = scored(truth, found).mean
    assert alone.low == alone.high == alone.value == one.value


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(OptionError, match="nothing to find"):
        scored({1: claims((A, [0, 0, 0]))}, {})
    with pytest.raises(ShapeError, match="found boxes of 1: wanted finite"):
        scored(TRUTH, {1: Claims(np.array([A]), np.ones((1, 2)))})
    with pytest.raises(ShapeError, match="true boxes of 2"):
        scored({2: claims(([0, 0, np.nan, 1], [1, 0, 0]))}, {})
    with pytest.raises(OptionError, match="overlap and level"):
        scored(TRUTH, {}, overlap=0)
