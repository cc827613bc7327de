"""Weights on disk: the kit's own layout, and one file for each official layout."""

from mvkit.checkpoints.native import Report as Report
from mvkit.checkpoints.native import load as load
from mvkit.checkpoints.native import load_state as load_state
from mvkit.checkpoints.native import save as save
