"""Clips on a plane: t-SNE of their features, with the two numbers that say how far its picture can be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mvkit.errors import OptionError, ShapeError
from mvkit.eval.features import standardise

COMPONENTS = 50  # principal components that t-SNE starts from


@dataclass(frozen=True)
class Embedding:
    """Two numbers of the features themselves, not of the plane, beside the plane.

    places: (n, 2), the plane. labels: (n,) whole numbers. knn: share of clips whose k nearest others name their label.
    silhouette: mean over clips, -1 to 1, 0 where labels overlap. chance: share of the commonest label.
    """

    places: np.ndarray
    labels: np.ndarray
    knn: float
    silhouette: float
    chance: float


def embed(features: Tensor, labels: Tensor, *, k: int = 10, perplexity: float = 30.0, seed: int = 0) -> Embedding:
    """t-SNE (van der Maaten and Hinton, 2008) of clip features; the same seed on one machine gives the same places.

    features: (n, D), one row a clip (`eval.features.clip_features`), standardised and scaled to unit length here, then
    cut to 50 principal components. labels: (n,). k: neighbours of the leave-one-out accuracy. perplexity: below n.
    Raises ShapeError, OptionError for fewer clips than k and perplexity need or fewer than two labels.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ShapeError(
            f"features must be (n, D) with labels (n,), got {tuple(features.shape)}, {tuple(labels.shape)}"
        )
    known = np.unique(labels.cpu().numpy(), return_counts=True)[1]
    if not 1 <= k < len(features) or not 0 < perplexity < len(features) or not 2 <= len(known) < len(features):
        raise OptionError(
            f"{len(features)} clips of {len(known)} labels cannot be embedded with k={k}, perplexity={perplexity:g}: "
            "both must be below the number of clips; wanted two labels or more, and one with two clips"
        )
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from sklearn.metrics import silhouette_score

    unit = F.normalize(standardise(features.float().cpu())[0], dim=1)
    rows = unit.numpy()
    cut = PCA(min(COMPONENTS, *rows.shape), svd_solver="full").fit_transform(rows)
    places = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(cut)
    wanted = labels.cpu().numpy()
    return Embedding(
        places.astype(np.float32),
        wanted.astype(np.int64),
        leave_one_out(unit, labels.cpu(), k),
        float(silhouette_score(rows, wanted, metric="cosine")),
        float(known.max() / len(wanted)),
    )


def leave_one_out(unit: Tensor, labels: Tensor, k: int, *, temperature: float = 0.07) -> float:
    """Share of rows whose k nearest others by cosine name their label; votes weighted as in `eval.knn`.

    unit: (n, D) of length 1. labels: (n,).
    """
    similarity = (unit @ unit.T).fill_diagonal_(-torch.inf)
    nearest, ids = similarity.topk(k, dim=1)
    names, labels = labels.unique(return_inverse=True)
    votes = torch.zeros(len(unit), len(names)).scatter_add_(1, labels[ids], (nearest / temperature).exp())
    return float((votes.argmax(1) == labels).float().mean())
