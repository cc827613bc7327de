"""Captions as a text encoder was trained to read them."""

_DELETED = str.maketrans(dict.fromkeys(",.'!?\"()*#:;~", "") | dict.fromkeys("-/", " "))


def normalise(caption: str) -> str:
    """Lower case, without punctuation, words one space apart; "<person>" is a person, "re-run" and "person/car" are two
    words.

    >>> normalise("Two DOGS, re-running <person>!")
    'two dogs re running person'

    The rule of UMT's video-text training (arXiv:2303.16058). Characters it does not name, digits among them, stay.
    """
    return " ".join(caption.lower().translate(_DELETED).replace("<person>", "person").split())
