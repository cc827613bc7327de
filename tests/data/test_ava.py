import numpy as np
import pytest

from mvkit.data.ava import read_actions, read_ava, read_excluded, read_people
from mvkit.errors import DataError, OptionError

ACTIONS = {12: "stand", 4: "dance", 80: "watch"}  # columns go by number: dance, stand, watch
LINES = """film,0902,0.1,0.2,0.3,0.8,12,0
film,0902,0.1,0.2,0.3,0.8,80,0
film,0902,0.5,0.2,0.9,0.8,4,1
film,0903,0.1,0.2,0.3,0.8,4,0
other,0902,0.1,0.2,0.3,0.8,4,0
"""


def wrote(tmp_path, text, name="boxes.csv"):
    (tmp_path / "videos").mkdir(exist_ok=True)
    (tmp_path / "videos" / "film.mkv").touch()
    (tmp_path / "videos" / "notes.txt").touch()
    path = tmp_path / name
    path.write_text(text)
    return path


def read(tmp_path, text, **options):
    return read_ava(wrote(tmp_path, text), tmp_path / "videos", ACTIONS, **options)


def test_lines_of_one_box_are_one_box_with_several_actions(tmp_path):
    found = read(tmp_path, LINES, offset=900)
    assert found.classes == ("dance", "stand", "watch")
    assert [k.moment for k in found] == [("film", 902.0), ("film", 903.0)]
    first = found[0]
    assert first.boxes.tolist() == [[0.1, 0.2, 0.3, 0.8], [0.5, 0.2, 0.9, 0.8]]
    assert first.actions.tolist() == [[False, True, True], [True, False, False]]
    assert first.second == 2.0 and first.frame is None and first.path.name == "film.mkv"
    assert found.left_out == {"no such video": ("other",)} and found.counts == {"no such video": 1}


def test_two_people_in_the_same_box_stay_two(tmp_path):
    same = "film,1,0.1,0.2,0.3,0.8,12,0\nfilm,1,0.1,0.2,0.3,0.8,12,1\n"
    assert len(read(tmp_path, same)[0].boxes) == 2


def test_what_is_left_out_is_counted_and_named(tmp_path):
    text = LINES + "film,0904,,,,,,\nfilm,0905,0,0,1,1,5,0\nfilm,0906,-0.25,0,0.5,1,4,0\nfilm,0907,0,0,1,1,4,0\n"
    excluded = read_excluded(wrote(tmp_path, "film,0907\n", "excluded.csv"))
    found = read(tmp_path, text, excluded=excluded)
    assert [k.moment[1] for k in found] == [902, 903, 904, 905, 906]
    assert found[2].boxes.shape == (0, 4) and found[2].actions.shape == (0, 3), "a keyframe without people"
    assert found[3].boxes.shape == (0, 4), "an action outside the list leaves its keyframe"
    assert found[4].boxes.tolist() == [[0, 0, 0.5, 1]]
    assert found.counts == {"no such video": 1, "action not in the list": 1, "cut": 1, "excluded": 1}
    assert "boxes.csv:8" in found.left_out["cut"][0] and "-0.25" in found.left_out["cut"][0]
    assert "boxes.csv:9" in found.left_out["excluded"][0] and found.excluded == {("film", 907.0)}


@pytest.mark.parametrize(
    "line", ["film,0902,0.1,0.2", "film,soon,0,0,1,1,4,0", "film,1,0,0,one,1,4,0", "film,1,1.2,0,1.4,1,4,0",
             "film,1,0.5,0,0.5,1,4,0", "film,1,nan,0,1,1,4,0", "film,1,0,0,1,1,walk,0", ",1,0,0,1,1,4,0"],
)  # fmt: skip
def test_a_bad_line_is_refused_by_number_or_left_out_and_named(tmp_path, line):
    with pytest.raises(DataError, match=r"1 bad lines: .*boxes\.csv:6"):
        read(tmp_path, LINES + line)
    found = read(tmp_path, LINES + line, bad="list")
    assert len(found) == 2 and len(found.left_out["bad line"]) == 1
    with pytest.raises(OptionError, match="way with bad lines"):
        read(tmp_path, LINES, bad="ignore")


def test_a_file_on_no_video_at_all_is_refused(tmp_path):
    with pytest.raises(DataError, match="no keyframe of it is on a video"):
        read(tmp_path, "other,0902,0.1,0.2,0.3,0.8,4,0\n")
    with pytest.raises(DataError, match="cannot be read as csv"):
        read_people(tmp_path / "none.csv")


def test_detections_come_with_an_action_or_without_and_the_same_box_once(tmp_path):
    text = "film,0902,0.1,0.2,0.3,0.8,0.9\nfilm,0902,0.5,0.2,0.9,0.8,,0.7\nfilm,902.0,0.5,0.2,0.9,0.8,12,0.75\n"
    people, left_out = read_people(wrote(tmp_path, text + "film,0903,0,0,1,1.5,0.5\nfilm,0903,0,0,1,1,2\n"))
    boxes, scores = people["film", 902.0]
    assert boxes.tolist() == [[0.1, 0.2, 0.3, 0.8], [0.5, 0.2, 0.9, 0.8]] and scores.tolist() == [0.9, 0.75]
    assert np.array_equal(people["film", 903.0][0], [[0, 0, 1, 1]])
    assert {why: len(what) for why, what in left_out.items()} == {"cut": 1, "bad line": 1}
    with pytest.raises(DataError, match="no detections"):
        read_people(wrote(tmp_path, "\n"))


@pytest.mark.parametrize(
    "text",
    [
        'item {\n  name: "bend/bow (at the waist)"\n  id: 1\n}\nitem {\n  name: "answer phone"\n  id: 17\n}\n',
        'label {\n  name: "bend/bow (at the waist)"\n  label_id: 1\n  label_type: PERSON_MOVEMENT\n}\n'
        'label {\n  label_id: 17\n  name: "answer phone"\n}\n',
        "label_id,label_name,label_type\n1,bend/bow (at the waist),PERSON_MOVEMENT\n17,answer phone,OBJECT\n",
    ],
)
def test_the_action_list_is_read_in_each_form_it_comes_in(tmp_path, text):
    assert read_actions(wrote(tmp_path, text, "list")) == {1: "bend/bow (at the waist)", 17: "answer phone"}


def test_bad_lists_are_refused(tmp_path):
    with pytest.raises(DataError, match="no actions in it"):
        read_actions(wrote(tmp_path, "nothing", "list"))
    with pytest.raises(DataError, match="an exclusion file has"):
        read_excluded(wrote(tmp_path, "film\n", "excluded.csv"))
