"""What a model or a mask does, in numbers; the pictures of them are drawn in `mvkit.viz`."""

from mvkit.inspect import attention as attention
from mvkit.inspect import masks as masks
from mvkit.inspect import reconstruction as reconstruction
from mvkit.inspect import similarity as similarity

__all__ = ["attention", "masks", "reconstruction", "similarity"]
