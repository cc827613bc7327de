"""Pictures of masked video. A drawing returns `(figure, data)`; `save` keeps both, `rebuild` needs no model."""

from mvkit.viz import attention as attention
from mvkit.viz import bands as bands
from mvkit.viz import benchmarks as benchmarks
from mvkit.viz import clips as clips
from mvkit.viz import cost as cost
from mvkit.viz import curves as curves
from mvkit.viz import dashboard as dashboard
from mvkit.viz import detections as detections
from mvkit.viz import diagram as diagram
from mvkit.viz import embedding as embedding
from mvkit.viz import heads as heads
from mvkit.viz import lags as lags
from mvkit.viz import layers as layers
from mvkit.viz import masks as masks
from mvkit.viz import reconstruction as reconstruction
from mvkit.viz import scores as scores
from mvkit.viz import similarity as similarity
from mvkit.viz.album import Album as Album
from mvkit.viz.drawing import FigureData as FigureData
from mvkit.viz.figure import SavedFigure as SavedFigure
from mvkit.viz.figure import rebuild as rebuild
from mvkit.viz.figure import save as save
from mvkit.viz.live import TrainingLine as TrainingLine
