"""`moving_shapes`: procedural clips with two independent label sets, captions, questions and boxes.

Eight appearances (what one frame tells) and eight motions (what no single frame tells). Clips can be had as arrays
(`render`) or as a folder of H.264 files with a manifest (`write`), read back like any other video.

>>> frames, truth = render(0, ShapesSpec(seed=3))
>>> frames.shape, CLASSES["motion"][truth["motion"]]
((24, 64, 64, 3), 'up left')
"""

from mvkit.data.shapes.render import pieces as pieces
from mvkit.data.shapes.render import render as render
from mvkit.data.shapes.scene import scene_of as scene_of
from mvkit.data.shapes.spec import CLASSES as CLASSES
from mvkit.data.shapes.spec import ShapesSpec as ShapesSpec
from mvkit.data.shapes.writer import write as write
