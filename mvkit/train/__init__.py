"""Training: a spec in, a run out."""

from mvkit.train import chain as chain
from mvkit.train import presets as presets
from mvkit.train import recipes as recipes
from mvkit.train.journal import Journal as Journal
from mvkit.train.loop import Run as Run
from mvkit.train.loop import fit as fit
from mvkit.train.seed import derive as derive
from mvkit.train.source import clips_and_labels as clips_and_labels
from mvkit.train.source import open_manifest as open_manifest
from mvkit.train.source import open_source as open_source
from mvkit.train.source import train_split as train_split
from mvkit.train.spec import RunSpec as RunSpec
