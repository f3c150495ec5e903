import pytest

from pipeline.config.document import Document, Place, about, join_keys
from pipeline.errors import ConfigError, UsageError

OPTION = Place("--set x")


def written() -> Document:
    data = {"store": {"level": 1}, "steps": [{"clip": {"low_hu": 0}}], "on_finish": None}
    places = {(): Place("f", 1, 1), ("store",): Place("f", 2, 1), ("store", "level"): Place("f", 2, 9)}
    return Document(data, places)


def test_keys_are_reported_with_dots_in_front_of_the_message() -> None:
    assert join_keys(("steps", 0, "clip")) == "steps.0.clip"
    assert about(("store",), "wrong") == "store: wrong"
    assert about((), "wrong") == "wrong"


def test_an_error_in_a_file_names_file_line_and_column() -> None:
    error = Place("run.yaml", 3, 7).error("wrong")
    assert isinstance(error, ConfigError)
    assert str(error) == "run.yaml:3:7: wrong"


def test_an_error_in_an_option_names_the_option() -> None:
    error = OPTION.error("wrong")
    assert type(error) is UsageError
    assert str(error) == "--set x: wrong"


def test_what_was_not_written_lies_where_its_surroundings_do() -> None:
    document = written()
    assert document.place(("store", "level")) == Place("f", 2, 9)
    assert document.place(("store", "chunks", 0)) == Place("f", 2, 1)
    assert document.place(("report",)) == Place("f", 1, 1)


def test_a_part_that_is_put_replaces_the_old_one_and_its_place() -> None:
    document = written()
    document.put(("store",), {"level": 5}, OPTION)
    assert document.at(("store", "level")) == 5
    assert document.place(("store", "level")) == OPTION


def test_a_part_in_a_list_can_be_put() -> None:
    document = written()
    document.put(("steps", 0, "clip", "low_hu"), -1000, OPTION)
    assert document.data["steps"] == [{"clip": {"low_hu": -1000}}]


@pytest.mark.parametrize("keys", [("manifest", "split", "train"), ("on_finish", "train")])
def test_mappings_that_lack_on_the_way_are_made_and_lie_at_the_option(keys: tuple[str, ...]) -> None:
    document = written()
    document.put(keys, 0.8, OPTION)
    assert document.at(keys) == 0.8
    assert document.place(keys[:1]) == OPTION


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("steps", 1, "clip"), "--set x: steps: found a list of 1, which holds nothing at 1"),
        (("steps", "clip"), "--set x: steps: found a list of 1, which holds nothing at 'clip'"),
        (("store", 0), "--set x: store: found a mapping of level, which holds nothing at 0"),
        (("store", "level", "deep"), "--set x: store.level: found 1, which holds nothing at 'deep'"),
    ],
)
def test_a_part_that_cannot_be_is_refused(keys: tuple[str | int, ...], message: str) -> None:
    with pytest.raises(UsageError) as error:
        written().put(keys, 0, OPTION)
    assert str(error.value) == message
