"""Weights on disk: the kit's own layout, and one file for each official layout."""

from mvkit.checkpoints.families import kinds as kinds
from mvkit.checkpoints.native import Report as Report
from mvkit.checkpoints.native import Saved as Saved
from mvkit.checkpoints.native import load_encoder as load_encoder
from mvkit.checkpoints.native import load_state as load_state
from mvkit.checkpoints.native import read as read
from mvkit.checkpoints.native import save as save
from mvkit.checkpoints.reading import load as load
from mvkit.checkpoints.start import start_from as start_from
from mvkit.checkpoints.teachers import open_teacher as open_teacher
from mvkit.checkpoints.writing import export as export
