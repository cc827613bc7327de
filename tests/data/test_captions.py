from mvkit.data.captions import normalise


def test_captions_lose_case_and_punctuation_and_keep_their_words():
    assert normalise('  It\'s "HOT"; (very)*... ~99% hot!? ') == "its hot very 99% hot"


def test_hyphens_and_slashes_part_words_and_a_hidden_name_is_a_person():
    assert normalise("<PERSON>/car re-run - twice") == "person car re run twice"
