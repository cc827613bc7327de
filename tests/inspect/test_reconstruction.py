import math

import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import OptionError, ShapeError
from mvkit.inspect import reconstruction as rec
from mvkit.losses.pixels import normalise_pixels
from mvkit.maskers.base import TokenMask
from mvkit.tokens import patchify

GRID = TokenGrid(2, 3, 5)
SIZE = {"tubelet": 2, "patch": 4}
VISIBLE = torch.tensor([[0, 7, 12, 29], [3, 4, 20, 22]])
MASK = TokenMask.from_visible(VISIBLE, GRID)


def clips() -> torch.Tensor:
    return torch.rand(2, 3, 4, 12, 20, generator=torch.Generator().manual_seed(0))


def hidden_pixels(x: torch.Tensor) -> torch.Tensor:
    return MASK.hidden_part(patchify(x, **SIZE))


def test_perfect_predictions_give_the_clip_back_raw_and_normalised():
    x = clips()
    raw = rec.reconstruct(hidden_pixels(x), MASK, x, **SIZE, normalised=False)
    assert torch.equal(raw, x)
    normal = rec.reconstruct(normalise_pixels(hidden_pixels(x)), MASK, x, **SIZE, normalised=True)
    assert torch.allclose(normal, x, atol=1e-5)


def test_visible_statistics_use_no_hidden_pixel():
    x = clips()
    guess = torch.randn(2, 26, 2 * 4 * 4 * 3, generator=torch.Generator().manual_seed(1))
    other = rec.reconstruct(torch.full_like(hidden_pixels(x), 9.0), MASK, x, **SIZE, normalised=False)
    options = {**SIZE, "normalised": True, "statistics": "visible"}
    assert torch.equal(rec.reconstruct(guess, MASK, x, **options), rec.reconstruct(guess, MASK, other, **options))
    oracle = {**options, "statistics": "oracle"}
    assert not torch.allclose(rec.reconstruct(guess, MASK, x, **oracle), rec.reconstruct(guess, MASK, other, **oracle))


def test_visible_statistics_match_a_loop_written_by_hand():
    x = clips()
    mean, std = rec.token_statistics(x, MASK, **SIZE, statistics="visible")
    pixels = patchify(x, **SIZE)
    for b in range(2):
        for k, token in enumerate(MASK.hidden_ids[b].tolist()):
            place = torch.tensor(GRID.place(token)).float()
            away = [(float((torch.tensor(GRID.place(v)).float() - place).norm()), v) for v in VISIBLE[b].tolist()]
            near = sorted(away)[:4]
            weights = [1 / d for d, _ in near]
            for c in range(3):
                values = [pixels[b, v].view(-1, 3)[:, c] for _, v in near]
                want_mean = sum(w * float(v.mean()) for w, v in zip(weights, values, strict=True)) / sum(weights)
                want_std = sum(w * float(v.std()) for w, v in zip(weights, values, strict=True)) / sum(weights)
                assert math.isclose(float(mean[b, k, 0, c]), want_mean, abs_tol=1e-5)
                assert math.isclose(float(std[b, k, 0, c]), want_std, abs_tol=1e-5)


def test_nearest_visible_token_copies_the_nearest_in_space_and_time():
    x = clips()
    pixels, copied = patchify(x, **SIZE), patchify(rec.nearest_visible_token(MASK, x, **SIZE), **SIZE)
    for b in range(2):
        seen = VISIBLE[b].tolist()
        for token in range(GRID.tokens):
            place = GRID.place(token)
            away = [sum((p - q) ** 2 for p, q in zip(place, GRID.place(v), strict=True)) for v in seen]
            assert torch.equal(copied[b, token], pixels[b, seen[away.index(min(away))]])


def test_mean_of_visible_is_one_colour_made_of_visible_pixels():
    x = clips()
    filled = rec.mean_of_visible(MASK, x, **SIZE)
    colour = MASK.visible(patchify(x, **SIZE)).unflatten(-1, (-1, 3)).mean((1, 2))
    got = hidden_pixels(filled).unflatten(-1, (-1, 3))
    assert torch.allclose(got, colour[:, None, None].expand_as(got), atol=1e-6)


def test_scores_count_hidden_pixels_only_and_psnr_is_in_decibels():
    x = clips()
    off = rec.reconstruct(hidden_pixels(x * 0) + hidden_pixels(x).clamp(0.1, 0.9), MASK, x, **SIZE, normalised=False)
    score = rec.scores(off, x, MASK, **SIZE)
    want = (hidden_pixels(off) - hidden_pixels(x)).square().mean((1, 2))
    assert torch.allclose(score["mse"], want)
    assert torch.allclose(score["psnr"], 10 * torch.log10(1 / want))


def test_structure_ignores_mean_and_contrast_and_knows_sign():
    truth = hidden_pixels(clips())
    assert torch.allclose(rec.structure(truth * 3 + 0.5, truth), torch.ones(2), atol=1e-6)
    assert torch.allclose(rec.structure(-truth, truth), -torch.ones(2), atol=1e-6)
    assert torch.allclose(rec.structure(torch.ones_like(truth), truth), torch.zeros(2), atol=1e-6)


def test_structure_of_clips_of_one_colour_is_undefined_not_zero():
    assert rec.structure(torch.rand(1, 3, 12), torch.ones(1, 3, 12)).isnan().all()


def test_honesty_is_a_different_sentence_for_each_case():
    said = {
        rec.honesty(normalised=False),
        rec.honesty(normalised=True, statistics="oracle"),
        rec.honesty(normalised=True, statistics="visible"),
    }
    assert len(said) == 3
    with pytest.raises(OptionError, match="unknown statistics 'orcale'; did you mean 'oracle'"):
        rec.honesty(normalised=True, statistics="orcale")


def test_what_does_not_fit_is_refused():
    x = clips()
    with pytest.raises(ShapeError, match="predictions"):
        rec.reconstruct(torch.rand(2, 4, 96), MASK, x, **SIZE, normalised=False)
    blind = TokenMask(torch.ones(1, GRID.tokens, dtype=torch.bool), GRID)
    with pytest.raises(ShapeError, match="shows nothing"):
        rec.nearest_visible(blind)
    whole = TokenMask(torch.zeros(2, GRID.tokens, dtype=torch.bool), GRID)
    with pytest.raises(ShapeError, match="hidden tokens"):
        rec.scores(x, x, whole, **SIZE)
