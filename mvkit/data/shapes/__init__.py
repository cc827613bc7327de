"""`moving_shapes`: procedural clips with independent label sets, captions, questions and boxes.

Eight appearances (what one frame tells) and eight motions (what no single frame tells). Clips can be had as arrays
(`render`) or as a folder of H.264 files with a manifest (`write`), read back like any other video. Three more stories
(`ShapesSpec.story`) have captions in which the order of the words matters: two sprites, or one that turns.

>>> frames, truth = render(0, ShapesSpec(seed=3))
>>> frames.shape, CLASSES["motion"][truth["motion"]]
((24, 64, 64, 3), 'up left')
>>> render(0, ShapesSpec(story="turn"))[1]["caption"][0]
'a cyan checkered circle moves up and then right'
"""

from mvkit.data.shapes.render import render as render
from mvkit.data.shapes.spec import ANSWERS as ANSWERS
from mvkit.data.shapes.spec import CLASSES as CLASSES
from mvkit.data.shapes.spec import STORY_CLASSES as STORY_CLASSES
from mvkit.data.shapes.spec import ShapesSpec as ShapesSpec
from mvkit.data.shapes.stories import scene_of as scene_of
from mvkit.data.shapes.tracks import pieces as pieces
from mvkit.data.shapes.writer import write as write
