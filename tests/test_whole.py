"""A file appears whole or not at all."""

import pytest

from mvkit.whole import whole


def test_the_file_is_there_when_the_block_ends_and_not_before(tmp_path):
    path = tmp_path / "new" / "a.json"
    with whole(path) as part:
        part.write_text("half")
        assert not path.exists()
        part.write_text("all")
    assert path.read_text() == "all"
    assert [one.name for one in path.parent.iterdir()] == ["a.json"]


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(KeyError), whole(path) as part:
        part.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]
