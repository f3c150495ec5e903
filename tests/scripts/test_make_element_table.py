import pytest
from make_element_table import HEADING, TABLE, module_name, table, tag_and_vr

MODULES = [{"key": "general-image", "usage": "M"}, {"key": "ct-image", "usage": "M"}, {"key": "device", "usage": "U"}]
ATTRIBUTES = {
    "general-image": [{"keyword": "ImageType", "type": "3", "path": []}],
    "ct-image": [
        {"keyword": "ImageType", "type": "1", "path": []},
        {"keyword": "CodeValue", "type": "1C", "path": ["AnatomicRegionSequence"]},
        {"keyword": "CodeValue", "type": "1", "path": ["AnatomicRegionSequence", "AnatomicRegionModifierSequence"]},
    ],
    "device": [{"keyword": "ImageType", "type": "1", "path": []}],
}


def test_of_several_modules_the_one_that_demands_most_is_named() -> None:
    assert table(MODULES, ATTRIBUTES) == [
        ("AnatomicRegionSequence.CodeValue", "CT Image", "M", "1C"),
        ("ImageType", "CT Image", "M", "1"),
    ]


def test_an_element_of_a_sequence_has_the_tags_of_both() -> None:
    assert tag_and_vr("AnatomicRegionSequence.CodeValue") == ("0008,2218.0008,0100", "SH")


@pytest.mark.parametrize(("key", "name"), [("voi-lut", "VOI LUT"), ("frame-of-reference", "Frame of Reference")])
def test_modules_are_called_as_in_the_standard(key: str, name: str) -> None:
    assert module_name(key) == name


def test_the_table_of_the_package_is_of_this_form() -> None:
    heading, *lines = TABLE.read_text("ascii").splitlines()
    assert tuple(heading.split("\t")) == HEADING
    assert all(len(line.split("\t")) == len(HEADING) for line in lines)
