import pytest

from mvkit.parity._entries import Entries, compare


def test_what_is_taken_out_is_read_and_the_rest_is_named_as_high_up_as_it_goes():
    entries = Entries(
        {"note": "prose", "a": {"x": 1, "y": [2, 3]}, "ab": {"z": [4], "note": "prose"}, "c": [{"d": 5}, 6]}
    )
    assert entries["a"]["y"][0] == 2
    assert entries.unread() == ["a.x", "a.y[1]", "ab", "c"]
    assert entries.plain("ab") == {"z": [4], "note": "prose"}
    assert [item["d"] for item in list(entries["c"])[:1]] == [5]
    assert entries.unread() == ["a.x", "a.y[1]"]
    assert entries["a"].get("x", 0) == 1 and entries["a"].get("absent", 0) == 0
    assert entries["a"].unread() == ["a.y[1]"]


def test_looking_at_names_or_lengths_reads_nothing():
    entries = Entries({"a": [1, 2]})
    assert "a" in entries and list(entries) == ["a"] and len(entries["a"]) == 2
    assert entries.unread() == ["a"]


@pytest.mark.parametrize(
    ("got", "wanted", "difference", "place"),
    [
        ([1, 2, 3], [1, 2, 3], 0.0, ""),
        ({"a": [1, 2], "more": 1}, {"a": [1, 4]}, 2.0, "at a[1]: 2 instead of 4"),
        ([1, 2], [1, 2, 3], float("inf"), "[1, 2] instead of [1, 2, 3]"),
        ({}, {"a": 1}, float("inf"), "at a: None instead of 1"),
        ("two dogs", "two dog", float("inf"), "'two dogs' instead of"),
        ([0.1, float("nan")], [0.1, 0.2], float("inf"), "at [1]: nan"),
        ([None], [0], float("inf"), "at [0]: None instead of 0"),
        ({"a": 1}, {"a": 1, "note": "prose"}, 0.0, ""),
    ],
)
def test_the_largest_difference_is_found_and_placed(got, wanted, difference, place):
    found = compare(got, wanted)
    assert found[0] == difference and (not place or place in found[2])


def test_whole_numbers_and_words_are_exact_and_rates_hold_to_a_billionth_of_the_largest():
    assert compare([3], [3])[1] == 0.0
    difference, tolerance, _ = compare([2e-5 + 3e-13, 6e-4], [2e-5, 6e-4])
    assert 0 < difference <= tolerance == pytest.approx(6e-13)
    difference, tolerance, _ = compare([2e-5 + 7e-13, 6e-4], [2e-5, 6e-4])
    assert difference > tolerance
