"""What one of several processes has of a step's whole batch, for whatever looks at clips of the others.

Draws for the whole batch, of which each process takes its rows, and tensors of the whole batch make several processes
train as one with all of it: nothing that is drawn depends on how many there are.
"""

from dataclasses import dataclass

from torch import Tensor

from mvkit.losses.contrastive import gathered


@dataclass(frozen=True)
class Share:
    """Rows of this process: its file k is file k * world + rank of the whole batch, with all its copies.

    rank, world: of the processes; alone unless said. files: of this process in the batch at hand, each with as many
    rows as the others.
    """

    rank: int = 0
    world: int = 1
    files: int = 1

    def own(self, whole: Tensor) -> Tensor:
        """(W*B, ...), the same on every process -> (B, ...), this process's rows."""
        if self.world == 1:
            return whole
        return whole.unflatten(0, (self.files, self.world, -1))[:, self.rank].flatten(0, 1)

    def whole(self, own: Tensor) -> Tensor:
        """(B, ...) of each process -> (W*B, ...), as one process would have them; gradients reach every process."""
        if self.world == 1:
            return own
        return gathered(own).unflatten(0, (self.world, self.files, -1)).transpose(0, 1).flatten(0, 2)
