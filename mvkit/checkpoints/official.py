"""An official file by our names: its encoder, its head, its positions, and what else lay in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from mvkit.checkpoints import umt
from mvkit.checkpoints._names import below
from mvkit.checkpoints.families import FAMILIES, Family, Rename, bare, identify, is_tuned
from mvkit.checkpoints.files import Weights
from mvkit.checkpoints.shapes import options
from mvkit.checkpoints.tables import Positions, Resize, fit, grid_of
from mvkit.errors import CheckpointError
from mvkit.tokens import TokenGrid

_TABLE = ("pos_embed", "class_position")
_SIDE = 224  # pixels, of every released model


class OfficialFile:
    """kind: of the file; tuned: is it of fine-tuning? encoder: weights of the VideoViT without its positions, which are
    in `table`; sizes: the options it is built with. top: fc_norm and head of a fine-tuning file. left_out, unexpected:
    official names of the rest, of this layout or of none. Raises CheckpointError: see `load`."""

    def __init__(self, weights: Weights, kind: str | None, where: str, *, heads: int | None) -> None:
        official, other = bare(weights.state)
        self.where, self.config = where, weights.config
        self.kind = identify(official, kind, where=where)
        self.family: Family = FAMILIES[self.kind]
        self.tuned = is_tuned(official)
        read = self._layout(official)
        found = read(official)
        self.top = {n: v for n, v in found.items() if self.tuned and n.startswith(("fc_norm.", "head."))}
        encoder = below(found, "encoder.")
        if "pos_embed" in official and "pos_embed" not in encoder and self.family.tuned:
            # A frozen table is dropped on reading, but it tells the grid, and may not be the formula after all.
            encoder |= below(self.family.tuned[0]({"pos_embed": official["pos_embed"]}), "encoder.")
        self.table = {name: encoder.pop(name) for name in _TABLE if name in encoder}
        self.encoder = encoder
        self.sizes = options(encoder, heads=self.config.get("heads") if heads is None else heads, where=where)
        rest = [n for n, v in official.items() if not any(_ours(name) for name in read({n: v}))]
        self.left_out = (*other, *(n for n in rest if n.startswith(self.family.besides)))
        self.unexpected = tuple(n for n in rest if n not in self.left_out)

    def _layout(self, official: Mapping[str, Tensor]) -> Rename:
        """How its names are read. An encoder alone, without a prefix, has the names of fine-tuning."""
        prefixed = any(_ours(name) for name in self.family.read(official))
        if prefixed and not self.tuned:
            return self.family.read
        if self.family.tuned is None:
            raise CheckpointError(f"{self.where} has a head, and '{self.kind}' has no fine-tuning layout to read it by")
        return self.family.tuned[0]

    @property
    def official_grid(self) -> TokenGrid:
        """The grid of the family's released models."""
        side = _SIDE // self.sizes["patch"]
        return TokenGrid(max(1, self.family.frames // self.sizes["tubelet"]), side, side)

    def grid(self, frames: int | None, image: int | tuple[int, int] | None) -> TokenGrid:
        """The grid of the clips said; what is not said is the file's own, or that of the released models."""
        tubelet, patch, own = self.sizes["tubelet"], self.sizes["patch"], self.official_grid
        if "grid" in self.config:
            own = TokenGrid(*self.config["grid"])
        elif self.table and image is None:
            like = replace(own, t=max(1, frames // tubelet)) if frames else own
            own = grid_of(len(self.table["pos_embed"]), like)
        height, width = (image, image) if isinstance(image, int) else image or (own.h * patch, own.w * patch)
        return TokenGrid.of_clip(frames or own.t * tubelet, height, width, tubelet=tubelet, patch=patch)

    def positions(self, grid: TokenGrid, *, resize: Resize, classifies: bool) -> Positions:
        """What to do for clips of this grid. classifies: UMT's fine-tuning has another table than its pre-training."""
        formula = self.family.architecture["position"]
        if self.table:
            own = (TokenGrid(*self.config["grid"]),) if "grid" in self.config else ()
            old = grid_of(len(self.table["pos_embed"]), *own, grid, self.official_grid)
            return fit(self.table, formula=formula, old=old, new=grid, resize=resize, rebuilt=self.kind == "mvd")
        made = umt.finetuning_grid(self.sizes["patch"])
        if self.kind == "umt" and classifies and grid != made:
            rows = umt.finetuning_positions(grid, self.sizes["width"], patch=self.sizes["patch"])
            note = f"position table of a {made} interpolated to a {grid}, as UMT's fine-tuning does"
            return Positions("learned", note, {"pos_embed": rows}, resized=True)
        return Positions(formula, f"position table '{formula}' made for a {grid}")

    def options(self, positions: Positions, *, classifies: bool, **changes: Any) -> dict[str, Any]:
        """What the VideoViT is built with, besides its grid."""
        body = {"final_norm": False, "out_width": None} if classifies else {}
        return {**self.family.architecture, **self.sizes, **body, "position": positions.position, **changes}

    def state(self, positions: Positions, *, classifies: bool, classes: int | None) -> dict[str, Tensor]:
        """Weights of the VideoViT, or of the VideoClassifier with the file's own head unless `classes` wants another.

        Raises CheckpointError if the file's head is of another make than VideoClassifier's.
        """
        found = {**self.encoder, **positions.rows}
        if not classifies:
            return found
        if classes is None and not {"fc_norm.weight", "head.weight"} <= self.top.keys():
            raise CheckpointError(
                f"{self.where} was fine-tuned on one token, or has no head: wanted fc_norm and head, for the mean of "
                "all tokens; head=False gives the encoder, classes=... a fresh head"
            )
        kept = {n: v for n, v in self.top.items() if classes is None or n.startswith("fc_norm.")}
        return {f"encoder.{n}": v for n, v in found.items() if not n.startswith(("norm.", "head."))} | kept


def _ours(name: str) -> bool:
    return name.startswith(("encoder.", "fc_norm.", "head."))
