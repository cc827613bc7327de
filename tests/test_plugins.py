import pytest

from mvkit import maskers, methods, plugins
from mvkit.errors import OptionError
from mvkit.maskers.base import Masker


def test_the_listing_is_the_folder_without_support_files():
    names = maskers.available()
    assert "tube" in names
    assert "base" not in names
    assert not [name for name in names if name.startswith("_")]


def test_an_unknown_name_suggests_the_nearest_and_lists_all():
    with pytest.raises(OptionError, match=r"unknown masker 'tubes'; did you mean 'tube'\?.*random"):
        maskers.create("tubes")
    with pytest.raises(OptionError, match="unknown method 'videomea'; did you mean 'videomae'"):
        methods.create("videomea")


def test_an_unknown_option_is_refused_by_name():
    with pytest.raises(OptionError, match=r"masker 'tube': unknown option 'ratoi'; did you mean 'ratio'\?"):
        maskers.create("tube", ratoi=0.5)


def test_a_module_without_a_single_class_of_the_kind_is_refused():
    with pytest.raises(OptionError, match="exactly one public Masker"):
        plugins.load("mvkit.losses", "pixels", Masker, "masker")
