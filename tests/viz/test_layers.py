import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import ShapeError
from mvkit.viz import layers

CKA = np.array([[0.9, 0.2, -0.1], [0.3, np.nan, 0.8]], np.float32)


def test_the_first_layers_are_at_the_lower_left_and_trained_pairs_are_framed():
    fig, data = layers.matrices(
        {"teacher": CKA}, rows=[6, 12], columns={"teacher": [8, 16, 24]}, trained={"teacher": [[12, 24]]}
    )
    axes = fig.axes[0]
    assert axes.images[0].origin == "lower"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["6", "12"]
    assert {(patch.get_x() + 0.46, patch.get_y() + 0.46) for patch in axes.patches} == {(2, 1)}
    assert "most alike block 6 and its block 8, 0.90" in data.alt and "last two 0.80" in data.alt


def test_colours_go_from_0_or_less_to_1_for_all_and_values_are_written():
    fig, data = layers.matrices({"a": CKA, "b": CKA + 0.5}, rows=[1, 2], columns={"a": [1, 2, 3], "b": [1, 2, 3]})
    assert data.limits["CKA"] == pytest.approx([-0.1, 1])
    assert {text.get_text() for text in fig.axes[0].texts} == {"0.90", "0.20", "-0.10", "0.30", "0.80"}


def test_many_layers_have_no_numbers_and_it_is_drawn_again_from_its_record(tmp_path):
    many = np.random.default_rng(0).random((12, 24)).astype(np.float32)
    drawn = layers.matrices({"teacher": many}, rows=list(range(1, 13)), columns={"teacher": list(range(1, 25))})
    assert not drawn[0].axes[0].texts
    saved = viz.Album(tmp_path).add("cka", drawn, caption="CKA.")
    assert viz.rebuild(saved.json, tmp_path / "again").same_bytes


def test_other_shapes_pairs_and_names_are_refused():
    blocks = {"rows": [1, 2], "columns": {"a": [1, 2, 3]}}
    with pytest.raises(ShapeError, match=r"'a' is \(3, 2\), wanted \(2, 3\)"):
        layers.matrices({"a": CKA.T}, **blocks)
    with pytest.raises(ShapeError, match=r"pair \(2, 4\) of 'a'"):
        layers.matrices({"a": CKA}, trained={"a": [[2, 4]]}, **blocks)
    with pytest.raises(ShapeError, match="nothing to draw"):
        layers.matrices({}, **blocks)
