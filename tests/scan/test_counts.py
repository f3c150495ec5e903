from collections.abc import Sequence
from itertools import chain
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.elements import Observation, canonical
from pipeline.scan.census import Census, Owner

File = tuple[Owner, dict[str, str]]


def census(files: Sequence[File], vr: str = "DS") -> Census:
    """Count files that are told as values by keyword."""
    counted = Census()
    for owner, values in files:
        pool = [
            Observation("0018,0060", word, vr, raw, canonical(raw, vr), "\\" in raw) for word, raw in values.items()
        ]
        counted.count(pool, [(owner, range(len(pool)))])
    return counted.trim()


def one(value: str, *, series: str = "s", study: str = "t", patient: str = "p") -> File:
    return (patient, study, series), {"KVP": value}


def test_spellings_of_one_value_are_one() -> None:
    counts = census([one("1"), one("1.0"), one("1.000000"), one("2")]).elements["KVP"]
    assert counts.raw.counts == {"1": 1, "1.0": 1, "1.000000": 1, "2": 1}
    assert counts.canonical.counts == {"1": 3, "2": 1}


def test_empty_is_no_value() -> None:
    counts = census([one(""), one("120")]).elements["KVP"]
    assert (counts.n_files, counts.n_empty, counts.canonical.counts) == (2, 1, {"120": 1})


def test_numbers_have_extremes_and_a_mean() -> None:
    counts = census([one("100"), one("120"), one("120.0")]).elements["KVP"]
    assert (counts.least, counts.largest, counts.mean) == (100, 120, pytest.approx(340 / 3))


def test_a_value_that_is_no_number_leaves_no_mean() -> None:
    assert census([one("100"), one("fast")]).elements["KVP"].mean is None


def test_the_parts_of_a_value_are_counted_too() -> None:
    counted = census([one("1\\2"), one("1\\3")])
    assert counted.elements["KVP[1]"].canonical.counts == {"1": 2}
    assert counted.elements["KVP[2]"].canonical.counts == {"2": 1, "3": 1}
    assert counted.elements["KVP"].canonical.counts == {"1\\2": 1, "1\\3": 1}


@pytest.mark.parametrize(
    ("level", "files"),
    [
        ("cohort", [one("1"), one("1.0", series="other", study="other", patient="other")]),
        ("patient", [one("1"), one("1", series="b", study="u"), one("2", series="c", study="v", patient="q")]),
        ("study", [one("1"), one("1", series="b"), one("2", series="c", study="u")]),
        ("series", [one("1"), one("1"), one("2", series="b")]),
        ("none", [one("1"), one("2")]),
    ],
)
def test_the_largest_group_that_agrees_is_named(level: str, files: list[File]) -> None:
    assert census(files).constant_within("KVP") == level


@st.composite
def files(draw: st.DrawFn) -> list[File]:
    """Draw files of a few series."""
    values = st.sampled_from(["1", "1.0", "2", "", "3\\4", "x"])
    return [
        ((f"p{draw(st.integers(0, 1))}", f"t{draw(st.integers(0, 2))}", f"s{draw(st.integers(0, 3))}"), {"KVP": value})
        for value in draw(st.lists(values, max_size=8))
    ]


@settings(max_examples=60)
@given(st.lists(files(), max_size=4), st.randoms(use_true_random=False))
def test_parts_add_up_to_the_whole_in_any_order(parts: list[list[File]], random: Random) -> None:
    whole = census(list(chain.from_iterable(parts)))
    random.shuffle(parts)
    summed = Census()
    for part in parts:
        summed.merge(census(part))
    assert summed.trim() == whole
