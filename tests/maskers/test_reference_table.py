"""The statistics of every strategy against measured reference values: 400 masks on 8x14x14 tokens.

Probabilities and correlations agree to 0.01, sizes and distances to 0.01 beyond the last digit the reference prints,
counts exactly; or to what a row says, with the reason. Rows marked published measure the ragged masks of the published
drawings, before they are balanced.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_cdt
from torch import Tensor

from mvkit import TokenGrid, maskers
from mvkit.inspect.masks import mask_statistics, trajectory_leak
from mvkit.maskers import MaskContext
from mvkit.maskers.motion import motion_map

GRID = TokenGrid(8, 14, 14)
COLUMNS = ["place_leak", "place_leak_any", "place_leak_3x3", "border", "rho_space", "rho_time"]
COLUMNS += ["visible_clump", "visible_distance", "place_spread", "jaccard"]
# For all rows. Spread: the largest of 196 shares less the smallest; over six seeds ours move by 0.01 to 0.02.
# Distances and sizes of regions carry more noise in the reference than 400 masks explain: steps of tubes and of
# random_frame follow one law, ours are 1.61 and 1.47 for both, the reference has 1.64 and 1.5, 1.63 and 1.6. Elsewhere
# its sizes lie up to 6 % from ours, which move by 0.5 to 2 % from seed to seed.
LOOSE = {"visible_distance": 0.08, "place_spread": 0.025}


def rounded(text: str) -> float:
    """0.01, and half a unit of the last printed digit."""
    return 0.01 + 0.5 * 10.0 ** -len(text.partition(".")[2])


def distance_by_step(hidden: Tensor) -> float:
    """As the reference has it: the mean over steps, 0 where nothing is hidden. Ours is the mean over hidden tokens."""
    steps = (s for s in hidden.flatten(0, 1).numpy() if not s.all())
    return float(np.mean([distance_transform_cdt(s, "chessboard").sum() / max(s.sum(), 1) for s in steps]))


@dataclass(frozen=True)
class Row:
    """What a strategy must measure. atol: tolerances other than the common ones, by statistic."""

    name: str
    numbers: str  # the COLUMNS in order, "-" where the reference has none or has another definition
    options: dict[str, Any] = field(default_factory=dict)
    counts: tuple[float, float] = (0, 0)  # least and most hidden tokens of a clip
    steps: tuple[float, float] = (0, 0)  # least and most visible tokens of a step
    ratio: float = 0.9
    also: dict[str, float] = field(default_factory=dict)  # statistics outside the columns
    atol: dict[str, float] = field(default_factory=dict)
    role: str = ""
    published: bool = False
    batch: int = 400
    grid: TokenGrid = GRID

    def hidden(self) -> Tensor:
        g, masker = torch.Generator().manual_seed(0), maskers.create(self.name, **self.options)
        parts = []
        for _ in range(400 // self.batch):
            drawn = masker(self.grid, self.batch, generator=g)
            mask = drawn.roles[self.role] if self.role else drawn.primary
            parts.append(mask.aux["published"].view(-1, *self.grid.shape) if self.published else mask.volume())
        return torch.cat(parts)


SHORT, LONG, FAITHFUL = {"view": "short"}, {"view": "long"}, {"faithful": True}
# Fewest and most over 3200 random steps move by several tokens from seed to seed.
EXTREMES = {"step_min": 1, "step_max": 4}
# 400 masks in cut batches of 25 are 16 draws of a box size: over ten seeds these spread by 0.01 to 0.05.
CUT = dict.fromkeys((*COLUMNS, "ratio", "blind"), 0.02) | {"count_min": 50, "count_max": 16, "step_max": 4}
CUT |= {"visible_clump": 3, "visible_distance": 0.1}
ROWS = [
    Row("random", ".168 .522 .753 .32 0 0 1.5 1.63 .03 .053", {}, (1411, 1411), (7, 37), atol=EXTREMES),
    Row("random_frame", ".170 .529 .763 .33 0 0 1.6 1.63 .03 .054", {}, (1408, 1408), (20, 20), 0.898),
    Row("tube", "0 0 .538 .33 0 1 1.5 1.64 .07 .057", {}, (1408, 1408), (20, 20), 0.898),
    Row("tube", "0 0 .864 .66 0 1 3.1 1.15 .12 .142", {"ratio": 0.75}, (1176, 1176), (49, 49), 0.75),
    # Whole steps: rho_time spreads by 0.019; overlaps of 2 of 8 steps are 5/28 = 0.179 on average. All places of a step
    # are alike, so the spread of 0.06 can only be the one over steps.
    Row(
        "frame", ".47 1 .47 0 1 -.16 - - - .193", {}, (1176, 1176), (0, 196), 0.75,
        also={"blind": 0.75, "place_spread": 0, "step_spread": 0.06}, atol={"rho_time": 0.015, "jaccard": 0.016},
    ),
    Row(
        "block", "0 0 .42 .37 .77 1 84 2.0 .81 .45", FAITHFUL, (720, 784), (98, 106), 0.497,
        atol={"count_min": 16, "step_max": 2}, published=True,
    ),
    # The random length of the span: over ten seeds leaks spread by 0.005 to 0.023, rho_time by 0.006. With 4 to 8 steps
    # equally frequent the second leak is 11/15; the reference drew more whole clips than that, as its ratio says too.
    Row(
        "block", ".22 .70 .55 .37 .83 .80 112 1.4 .62 .52", FAITHFUL | {"span": 0.5}, (384, 784), (98, 196), 0.378,
        atol={"place_leak": 0.02, "place_leak_any": 0.05, "place_leak_3x3": 0.015, "rho_time": 0.015, "count_min": 16},
        published=True,
    ),
    # The same, and 8x7x7 cells, an eighth as many as the other rows: the second leak spreads by 0.017.
    Row(
        "cube", ".32 .83 .72 .48 .75 .68 29 1.3 .59 .50", FAITHFUL | {"cell": 1}, (146, 157), (1, 49), 0.397,
        atol={"place_leak_any": 0.04, "jaccard": 0.013, "count_min": 2}, published=True, grid=TokenGrid(8, 7, 7),
    ),
    # How long a run is we read from this row: see the masker. The second leak is 0.789 over 4000 masks.
    Row(
        "cube_frame", ".35 .81 .72 .44 .78 .62 112 1.7 .69 .50", FAITHFUL, (624, 624), (118, 118), 0.398,
        atol={"place_leak_any": 0.03, "place_leak_3x3": 0.015},
    ),
    # Sizes of unions have a spread of 0.07 of the plane.
    Row(
        "multi_block", "0 0 .33 .29 .74 1 56 2.1 .89 .39", SHORT | FAITHFUL, (544, 1256), (39, 128), 0.622,
        atol={"border": 0.015, "place_spread": 0.03, "count_min": 130, "count_max": 10, "step_min": 1, "step_max": 16},
        role="short", published=True, batch=1,
    ),
    Row(
        "multi_block", ".06 .18 .28 .16 .75 .88 31 - .63 .34", SHORT | FAITHFUL, (1048, 1296), (0, 120), 0.752,
        also={"blind": 0.29}, atol=CUT, role="short", batch=25,
    ),
    Row(
        "multi_block", ".02 .12 .09 .05 .66 .76 10 - .36 .29", LONG | FAITHFUL, (1408, 1520), (0, 64), 0.929,
        also={"blind": 0.56}, atol=CUT | {"blind": 0.07, "jaccard": 0.025}, role="long", batch=25,
    ),
    # 123 places a step, the expected union of the blocks; the reference hid 122, the mean it had measured.
    Row(
        "multi_block", "0 0 .34 .29 .72 1 58 2.1 .98 .46", SHORT, (976, 976), (74, 74), 0.622,
        atol={"count_min": 8, "count_max": 8, "step_min": 1, "step_max": 1}, role="short",
    ),
    Row(
        "multi_block", "0 0 .37 .32 .72 1 68 2.3 .14 .24", SHORT | {"roll": True}, (976, 976), (74, 74), 0.622,
        atol={"count_min": 8, "count_max": 8, "step_min": 1, "step_max": 1}, role="short",
    ),
    # The box sizes of 400 masks: overlaps spread by 0.008.
    Row(
        "multi_block", "0 0 .21 .18 .56 1 23 3.3 .93 .38", LONG, (1280, 1280), (36, 36), 0.816,
        atol={"jaccard": 0.021, "place_spread": 0.035}, role="long",
    ),
    # Regions are rows of 14 in half the steps and single tokens in the others: 7.5. Four masks exist: overlaps are
    # 1, 1/3, 0, 1/3, or 1 and 0, and spread by 0.009.
    Row("cell", ".875 1 1 1 -.5 0 7.9 1 0 .42", {}, (784, 784), (98, 98), 0.5),
    Row(
        "cell", ".583 1 1 .67 -.33 -.33 1 1 0 .27", {"ratio": 0.75}, (1176, 1176), (49, 49), 0.75,
        atol={"jaccard": 0.015},
    ),
    # 353 of 392 bricks as in the reference, which rounded 352.8 up. Its distance of 2.9 is not explained.
    Row(
        "unit", ".167 .526 .458 .16 .54 0 5.3 2.9 .03 .053", {"keep": 39}, (1412, 1412), (0, 48), 0.901,
        atol=EXTREMES | {"visible_distance": 0.17},
    ),
    Row("unit", "0 0 .238 .17 .53 1 5.7 2.8 .07 .066", {"time": 8}, (1408, 1408), (20, 20), 0.898),
    # Filters are ours; the reference does not give its own.
    Row("noise", ".117 .387 .582 .22 .33 .33 4.5 2.1 .04 .053", {}, (1411, 1411), (3, 45), atol=EXTREMES),
    Row(
        "noise", ".033 .086 .184 .09 .69 .81 16 3.7 .07 .057", {"colour": "red"}, (1411, 1411), (0, 71),
        atol={"step_max": 18, "visible_distance": 0.25},
    ),
    Row(
        "noise", ".179 .543 .766 .34 -.09 -.09 1.1 1.6 .03 .053", {"colour": "blue"}, (1411, 1411), (6, 32),
        atol=EXTREMES,
    ),
    Row(
        "profile", ".03 .12 .68 .40 .03 .88 1.8 1.6 .08 .094", {"rounding": "keep_floor", "faithful": True},
        (1347, 1347), (8, 48), 0.859,
    ),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}-{row.options}")
def test_masks_measure_what_the_reference_measured(row):
    hidden = row.hidden()
    got = mask_statistics(hidden)
    got["visible_clump"] *= 1 - got["blind"]  # the reference counts a step without a visible token as 0
    got["visible_distance"] = distance_by_step(hidden)
    texts = {k: v for k, v in zip(COLUMNS, row.numbers.split(), strict=True) if v != "-"}
    want = {k: float(v) for k, v in texts.items()} | row.also
    want |= {"ratio": row.ratio, "count_min": row.counts[0], "count_max": row.counts[1]}
    want |= {"step_min": row.steps[0], "step_max": row.steps[1]}
    atol = dict.fromkeys(want, 0.01) | dict.fromkeys(("count_min", "count_max", "step_min", "step_max"), 0.0) | LOOSE
    if size := texts.get("visible_clump"):
        atol["visible_clump"] = rounded(size) + 0.06 * float(size)
    atol |= row.atol
    off = {k: (got[k], want[k], atol[k]) for k in want if not abs(got[k] - want[k]) <= atol[k] + 1e-6}
    assert not off, f"(measured, reference, tolerance): {off}"


@pytest.mark.parametrize(
    ("view", "tokens", "targets", "neither", "per_step"),
    [
        ("short", 367, 732, 468, [74, 74, 73, 66, 45, 22, 10, 3.5]),
        ("long", 105, 1112, 351, [37, 33, 18, 9, 3.5, 2.4, 1.9, 1.6]),
    ],
)
def test_the_published_raster_cut_of_multi_block_throws_the_last_steps_away(view, tokens, targets, neither, per_step):
    masker = maskers.create("multi_block", view=view, faithful=True)
    g = torch.Generator().manual_seed(0)
    drawn = [masker(GRID, 25, generator=g) for _ in range(60)]
    context = torch.tensor([float(d[view].visible_ids.shape[1]) for d in drawn])
    target = torch.tensor([float(d[f"{view}_target"].visible_ids.shape[1]) for d in drawn])
    # 60 batches: standard errors are 1 to 2 % of the grid.
    assert abs(context.mean() - tokens) < 40
    assert abs(target.mean() - targets) < 60
    assert abs(1568 - context.mean() - target.mean() - neither) < 60
    steps = torch.stack([(~d[view].volume()).float().sum((2, 3)).mean(0) for d in drawn]).mean(0)
    assert torch.allclose(steps, torch.tensor(per_step), atol=7)


# Strategies that look at the clip, on 300 clips of a moving square. Numbers agree to 0.01 beyond the last digit shown,
# or to what a row says. The recipe leaves open the texture, how the square is put between pixels and what attention
# was. Textures in grey, in colour, of 2x2 and of 4x4 pixels, moved by whole pixels or between them, give lifts of the
# square from 6.7 to 7.9 for the top of the motion and motion lifts from 0.26 to 0.37 for hiding it; none gives all
# numbers of the reference. Ours, grey noise moved by whole pixels, gives the most: those without a tolerance here.
SIGHTS = ["motion_lift", "square_lift", "place_leak", "square_leak", "trajectory_leak"]
GUIDED = [
    ("random", {}, "1.0 1.0 .168 .169 .169", {}),
    ("tube", {}, "1.0 1.0 0 0 .152", {}),
    # Ours also draws on places the square has just left, which is motion; the reference refills them from its base map.
    ("flow", {}, ".96 .95 .022 .126 .076", {"motion_lift": 0.1, "square_lift": 0.16}),
    ("motion", {}, "3.0 4.0 .139 .54 .60", {"square_lift": 0.25}),
    ("motion", {"select": "top"}, "4.9 7.0 .068 .71 .69", {"square_lift": 0.8}),
    # "EVEREST-like" in the reference, which does not say in what.
    ("everest", {}, "2.6 3.3 .136 .49 .50", {"trajectory_leak": 0.02}),
    ("motion", {"direction": "hide", "select": "top"}, ".31 .01 .163 .01 .002", {"motion_lift": 0.06}),
    # The noise of attention is ours, chosen among a few so that most of the 15 numbers agree.
    ("attention", {}, "2.9 4.1 .22 .84 .90", {"motion_lift": 0.1, "square_lift": 0.15, "square_leak": 0.025}),
    # No token of the square is left hidden here: a lift of 196/40. The reference's few leaked.
    ("attention", {"select": "top"}, "3.3 4.7 .16 - -", {"square_lift": 0.21}),
    (
        "attention", {"ratio": 0.3, "direction": "hide", "select": "top"}, ".39 .03 .59 .19 .02",
        {"square_lift": 0.031, "trajectory_leak": 0.025},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "numbers", "atol"), GUIDED, ids=str)
def test_guided_masks_measure_what_the_reference_measured(scene, name, options, numbers, atol):
    context = MaskContext(
        video=scene.video, flow=scene.flow if name == "flow" else None, attention=scene.attention.flatten(2)
    )
    g = torch.Generator().manual_seed(0)
    hidden = maskers.create(name, **options)(GRID, len(scene.video), generator=g, context=context).primary.volume()
    stats = mask_statistics(hidden, motion=motion_map(scene.video, GRID), saliency=scene.square.float())
    before, after = hidden.roll(1, 1), hidden.roll(-1, 1)
    before[:, 0], after[:, -1] = True, True
    place = ((~before | ~after) & hidden & scene.square).sum() / (hidden & scene.square).sum()
    got = [stats["motion_lift"], stats["saliency_lift"], stats["place_leak"], float(place)]
    got.append(trajectory_leak(hidden, scene.flow, among=scene.square, wrap=True))
    for sight, have, want in zip(SIGHTS, got, numbers.split(), strict=True):
        if want != "-":
            exact = 0.01 if want == "0" else rounded(want)
            assert abs(have - float(want)) <= atol.get(sight, exact), (sight, got, numbers)


def test_flow_estimated_from_the_clip_already_lowers_the_leak_along_the_motion(scene):
    clips, seen = 60, MaskContext(video=scene.video[:60])

    def leak(masker):
        hidden = masker(GRID, clips, generator=torch.Generator().manual_seed(0), context=seen).volume()
        return trajectory_leak(hidden, scene.flow[:clips], among=scene.square[:clips], wrap=True)

    # White noise is the hardest texture to match on shrunken frames: detail=2 gains 10 to 20 % here, 3 a quarter, and
    # on smooth textures both gain a third.
    assert leak(maskers.create("flow", detail=3)) < 0.85 * leak(maskers.create("tube"))
