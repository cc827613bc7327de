import math

import pytest
import torch

from mvkit.errors import ShapeError
from mvkit.inspect.collapse import channel_std, collapse, effective_rank


def features(n: int, width: int) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(0))


def test_channel_deviation_is_that_of_directions_not_of_lengths():
    x = features(7, 3)
    unit = [[float(v) / math.sqrt(sum(float(u) ** 2 for u in row)) for v in row] for row in x]
    for channel, got in enumerate(channel_std(x).tolist()):
        values = [row[channel] for row in unit]
        mean = sum(values) / 7
        assert got == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in values) / 7), abs=1e-6)
    assert torch.allclose(channel_std(x * torch.rand(7, 1).add(0.1)), channel_std(x), atol=1e-6)


def test_uniform_directions_spread_by_one_over_the_root_of_the_width():
    assert float(channel_std(features(4000, 16)).mean()) == pytest.approx(1 / 4, rel=0.02)


def test_effective_rank_counts_directions():
    turn = torch.linalg.qr(features(6, 6)).Q
    assert effective_rank(3 * turn) == pytest.approx(6)
    assert effective_rank(features(9, 1) * features(1, 6)) == pytest.approx(1)
    values = [4.0, 2.0, 2.0]
    entropy = -sum(v / 8 * math.log(v / 8) for v in values)
    assert effective_rank(turn[:, :3] * torch.tensor(values)) == pytest.approx(math.exp(entropy), abs=1e-6)
    assert effective_rank(torch.zeros(5, 3)) == 0


def test_features_that_fill_their_space_are_healthy():
    found = collapse(features(400, 8))
    assert found.verdict == "healthy" and found.most == 8 and found.rank > 7.5 and found.spread > 0.95
    assert str(found) == f"healthy: spread {found.spread:.2f} of 1, effective rank {found.rank:.1f} of 8, centred {found.varied:.1f}"  # fmt: skip  # noqa: E501


def test_features_that_are_all_alike_have_collapsed():
    assert collapse(torch.ones(9, 8) + 0.01 * features(9, 8)).verdict == "collapsed"
    assert collapse(torch.ones(9, 8) + 0.05 * features(9, 8)).verdict == "healthy"
    same = collapse(torch.ones(9, 8))
    assert same.verdict == "collapsed" and same.spread == pytest.approx(0, abs=1e-6)


def test_features_along_one_line_are_narrow():
    assert collapse(features(50, 1) * features(1, 8)).verdict == "narrow"


def test_a_large_common_part_lowers_the_published_rank_and_not_the_centred_one():
    found = collapse(features(200, 8) + 3)
    assert found.rank < 6 < found.varied and found.verdict == "healthy"


def test_half_precision_features_are_judged_as_full_ones():
    x = features(100, 8)
    assert collapse(x.bfloat16()).rank == pytest.approx(collapse(x).rank, rel=1e-3)


def test_one_example_and_uncut_tokens_are_refused():
    for wrong in (features(1, 4), features(6, 4)[None]):
        with pytest.raises(ShapeError, match="n at least 2"):
            collapse(wrong)
