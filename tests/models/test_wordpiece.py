import pytest

from mvkit.data.shapes.spec import COLOURS, SHAPES
from mvkit.errors import DataError, OptionError
from mvkit.models.wordpiece import WordPiece

pytest.importorskip("tokenizers", reason="text models need the extra `text`")


def test_texts_begin_and_end_and_are_padded_to_the_longest():
    tokenizer = WordPiece()
    ids, mask = tokenizer(["A RED square, moves up-left!", "red"])
    assert tokenizer.pieces(ids[0].tolist()) == ["[CLS]", "a", "red", "square", "moves", "up", "left", "[SEP]"]
    assert tokenizer.pieces(ids[1].tolist())[:4] == ["[CLS]", "red", "[SEP]", "[PAD]"]
    assert mask.tolist() == [[1] * 8, [1] * 3 + [0] * 5]


def test_every_word_of_the_embedded_captions_is_one_piece():
    ids, _ = WordPiece()([*SHAPES, *COLOURS])
    assert ids.shape[1] == 3


def test_a_word_it_does_not_know_falls_into_letters_and_not_into_the_unknown():
    tokenizer = WordPiece()
    assert tokenizer.pieces(tokenizer(["dog 42"])[0][0].tolist()) == ["[CLS]", "d", "##o", "##g", "4", "##2", "[SEP]"]


def test_a_long_text_is_cut_and_still_ends():
    ids, _ = WordPiece(length=4)(["a red square moves"])
    assert WordPiece().pieces(ids[0].tolist()) == ["[CLS]", "a", "red", "[SEP]"]
    with pytest.raises(OptionError, match="length >= 3"):
        WordPiece(length=2)


def test_a_vocabulary_from_a_file_gives_its_own_numbers(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "x", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "##dish"]) + "\n")
    tokenizer = WordPiece(path)
    assert tokenizer(["reddish blue"])[0].tolist() == [[3, 6, 7, 2, 4]]
    assert tokenizer.size == 8 and tokenizer.special.mask == 5


def test_a_file_that_is_no_vocabulary_is_refused(tmp_path):
    (tmp_path / "words.txt").write_text("red\nblue\n")
    with pytest.raises(DataError, match=r"no BERT vocabulary: \[PAD\], \[UNK\]"):
        WordPiece(tmp_path / "words.txt")
    with pytest.raises(DataError, match="cannot be read"):
        WordPiece(tmp_path / "none.txt")
