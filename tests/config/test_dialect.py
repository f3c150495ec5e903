from math import isclose
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.dialect import MAX_DEPTH, is_encodable, parse, parse_value
from pipeline.config.document import Place
from pipeline.errors import ConfigError, UsageError

OPTION = Place("--set a")


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        parse(text, "f.yaml")
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("12", 12),
        ("-1000", -1000),
        ("+3", 3),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.5E-2", 0.015),
        ("[1, x]", [1, "x"]),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_plain_values_are_read_as_yaml_1_2_says(text: str, value: Any) -> None:
    found = parse_value(text, OPTION)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["yes", "on", "off", "n", "1:30", "2024-01-01", "00123", "0x10", "1_000", "nan", "<<"])
def test_what_yaml_1_1_would_turn_into_something_else_stays_text(text: str) -> None:
    assert parse_value(text, OPTION) == text


def test_on_is_a_key_like_any_other() -> None:
    assert parse("labels: {on: PatientID}", "f.yaml").data == {"labels": {"on": "PatientID"}}


def test_every_part_keeps_its_place() -> None:
    document = parse("a: 1\nb:\n  - x\n  - c: 2\n", "f.yaml")
    assert document.data == {"a": 1, "b": ["x", {"c": 2}]}
    assert {keys: (place.line, place.column) for keys, place in document.places.items()} == {
        (): (1, 1),
        ("a",): (1, 1),
        ("b",): (2, 1),
        ("b", 0): (3, 5),
        ("b", 1): (4, 5),
        ("b", 1, "c"): (4, 5),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml:1:1: the file is empty; it needs a mapping"),
        ("# nothing\n---\n", "f.yaml:3:1: found one value at the top; allowed is a mapping"),
        ("- input\n", "f.yaml:1:1: found a list at the top; allowed is a mapping"),
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: a: given twice; keep one of the two"),
        ("a: {b: 1, b: 2}\n", "f.yaml:1:11: a.b: given twice"),
        ("a: !!python/name:os.system\n", "f.yaml:1:4: a: found the tag tag:yaml.org,2002:python/name:os.system; tags"),
        ("a: [1, !!str 2]\n", "f.yaml:1:8: a.1: found the tag"),
        ("a: &x 1\nb: *x\n", "f.yaml:2:4: b: found the alias *x; aliases are not allowed"),
        ("a: &x [*x]\n", "f.yaml:1:8: a.0: found the alias *x"),
        ("a:\n  <<: {b: 1}\n", "f.yaml:2:3: a.<<: merge keys are not allowed"),
        ("a: {1: b}\n", "f.yaml:1:5: a: found '1' as a key; allowed is text (quote it)"),
        ("a: {[b]: c}\n", "f.yaml:1:5: a: found a list as a key; allowed is text"),
        ("a: .nan\n", "f.yaml:1:4: a: found '.nan'; allowed is a finite number"),
        ("a: [-.inf]\n", "f.yaml:1:5: a.0: found '-.inf'; allowed is a finite number"),
        ("a: 1e999\n", "f.yaml:1:4: a: found '1e999'; allowed is a finite number"),
        ("a: " + "9" * 5000, "allowed is a finite number"),
        ('a: "x\\0"\n', "f.yaml:1:4: a: found 'x\\x00'; allowed is text without NUL"),
        ('a: "\\ud800"\n', "allowed is text without NUL and unpaired surrogates"),
        ("a: [1,\nb: 2\n", "f.yaml:3:1: not YAML: while parsing a flow sequence"),
        ("a:\n\t- b\n", "f.yaml:2:1: not YAML: "),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: not YAML: expected a single document"),
        ("a: 1\nb: \x07\n", "f.yaml:2:4: the character U+0007 is not allowed"),
        ("a: " + "[" * 100_000, f"nested more than {MAX_DEPTH} deep"),
        ("? " * 10_000, f"nested more than {MAX_DEPTH} deep"),
        ("a: {!!str b: 1}\n", "f.yaml:1:5: a.?: found the tag"),
    ],
)
def test_what_the_dialect_refuses_is_reported_with_its_place(text: str, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize("text", ["[1,", "!!str 1", "{a: 1, a: 2}", ".inf", "\x07"])
def test_an_error_in_an_option_names_the_option_and_no_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--set a: ") as error:
        parse_value(text, OPTION)
    assert not isinstance(error.value, ConfigError)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read_back(number: float) -> None:
    assert isclose(parse_value(repr(number), OPTION), number, rel_tol=0, abs_tol=0)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_at_a_place(text: str) -> None:
    try:
        parse(text, "f.yaml")
    except ConfigError as error:
        assert error.line >= 1  # noqa: PT017  either outcome is right; what matters is that there is no third
        assert error.column >= 1  # noqa: PT017


def test_texts_that_no_file_can_hold_are_known() -> None:
    assert is_encodable("Bär 肺\n")
    assert not is_encodable("a\0b")
    assert not is_encodable("\udcff")
