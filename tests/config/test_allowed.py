import pytest

from pipeline.config.allowed import Allowed, nearest


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (("geometry", "gap"), "reject or interpolate"),
        (("select", "slice_count"), "any, most_common or a whole number"),
        (("select", "prefer", 0), "thinnest, most_slices, earliest or a mapping"),
        (("store", "mask"), "auto, true or false"),
        (("store", "chunks"), "auto or a list of 3"),
        (("store", "chunks", 1), "a whole number"),
        (("on_finish",), "text or null"),
        (("hounsfield", "padding_hu"), "a number"),
        (("steps",), "a list"),
        (("steps", 4, "orient"), "a mapping of to, oblique"),
        (("steps", 0, "resample", "spacing_mm", 2), "a number or null"),
        (("manifest", "split"), "a mapping of train, validation, test, seed, group, stratify or null"),
        (("geometry", "no_such_key"), "nothing"),
    ],
)
def test_what_is_allowed_at_a_place_is_said_in_words(keys: tuple[str | int, ...], words: str) -> None:
    assert Allowed.at(keys).words == words


def test_the_keys_of_a_mapping_are_known() -> None:
    assert Allowed.at(("output",)).names == ["folder"]
    assert Allowed.at(("steps", 0)).names[:2] == ["orient", "resample"]
    assert Allowed.at(("store", "level")).names == []


def test_a_choice_hints_at_its_nearest_word() -> None:
    assert Allowed.at(("geometry", "gantry_tilt")).hint("corect") == "; did you mean correct?"
    assert Allowed.at(("geometry", "gantry_tilt")).hint("zzz") == ""


def test_a_number_where_text_is_due_hints_at_quotes() -> None:
    assert Allowed.at(("on_finish",)).hint(3) == "; quote it to make it text"
    assert Allowed.at(("on_finish",)).hint(None) == ""


def test_the_nearest_name_is_asked_for_only_where_one_is_near() -> None:
    assert nearest("clipp", ["orient", "clip"]) == "; did you mean clip?"
    assert nearest("blur", ["orient", "clip"]) == ""
