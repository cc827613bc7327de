import numpy as np

from mvkit import viz


def test_long_names_of_clips_side_by_side_do_not_touch():
    clips = np.random.default_rng(0).random((2, 3, 4, 16, 16), dtype=np.float32)
    name = "an orange striped circle moves right over a pink striped background"
    fig, _ = viz.reconstruction.panels(clips, np.zeros((2, 2, 2, 2), bool), {"model": clips}, names=[name, name])
    fig.canvas.draw()
    first, second = (t.get_window_extent() for t in fig.texts if t.get_text().replace("\n", " ") == name)
    assert first.x1 < second.x0 and second.x1 < fig.bbox.x1 and first.y1 <= fig.bbox.y1
