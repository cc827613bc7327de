import io

import numpy as np
import pytest
from PIL import Image

from mvkit.errors import ShapeError
from mvkit.viz.gif import gif

RNG = np.random.default_rng(0)
ROWS = [[np.full((30, 50, 3), (250, 20 * step, 0), np.uint8), np.zeros((30, 50, 3), np.uint8)] for step in range(3)]


def frames(data: bytes) -> list[np.ndarray]:
    image = Image.open(io.BytesIO(data))
    found = []
    for number in range(image.n_frames):
        image.seek(number)
        found.append(np.asarray(image.convert("RGB")))
    return found


def test_each_time_has_its_picture_and_the_same_input_gives_the_same_bytes():
    made = gif(ROWS, ["clip", "features"], alt="words", seconds=0.2)
    assert made.data == gif(ROWS, ["clip", "features"], alt="words", seconds=0.2).data
    found = frames(made.data)
    assert len(found) == 3 and Image.open(io.BytesIO(made.data)).info["duration"] == 200
    for step, page in enumerate(found):
        assert np.abs(page[5:25, 5:45].astype(int) - (250, 20 * step, 0)).max() < 8
        assert (page[5:25, 60:100] == 0).all()


def test_a_colour_is_the_same_at_every_time():
    noise = [RNG.integers(0, 256, (30, 50, 3), np.uint8) for _ in range(4)]
    same = np.tile(RNG.integers(0, 256, (3, 5, 3), np.uint8).repeat(10, 0).repeat(10, 1), (1, 1, 1))
    found = frames(gif([[same, one] for one in noise], ["a", "b"], alt="x").data)
    assert all((page[:30, :50] == found[0][:30, :50]).all() for page in found)


def test_it_is_written_whole_and_shows_itself_with_its_words(tmp_path):
    made = gif(ROWS, ["clip", "features"], alt='of "a" <b>')
    path = made.save(tmp_path / "new" / "a.gif")
    assert path.read_bytes() == made.data and [p.name for p in path.parent.iterdir()] == ["a.gif"]
    page = made._repr_html_()
    assert 'alt="of &quot;a&quot; &lt;b&gt;"' in page and "data:image/gif;base64," in page and "<details open>" in page


def test_pictures_of_other_sizes_or_numbers_are_refused():
    with pytest.raises(ShapeError, match="2 pictures"):
        gif([ROWS[0], ROWS[1][:1]], ["a", "b"], alt="x")
    with pytest.raises(ShapeError, match="of one size"):
        gif([[np.zeros((3, 4, 3), np.uint8), np.zeros((4, 3, 3), np.uint8)]], ["a", "b"], alt="x")
    with pytest.raises(ShapeError):
        gif([], [], alt="x")
