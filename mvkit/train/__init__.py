"""Training: a spec in, a run out."""

from mvkit.train.journal import Journal as Journal
from mvkit.train.loop import Run as Run
from mvkit.train.loop import fit as fit
from mvkit.train.spec import RunSpec as RunSpec
