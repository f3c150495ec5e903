from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dicom_bytes import found_file
from hypothesis import given, settings
from hypothesis import strategies as st
from slices import header

from pipeline.dicom.files.values import Flaw
from pipeline.dicom.headers.batch import (
    Batch,
    Terms,
    identify_owner,
    pack_observations,
    pack_slices,
    read_batch,
    unpack_observations,
    unpack_slices,
)
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.elements import Observation
from pipeline.errors import DamageError
from pipeline.geometry import Xyz
from pipeline.limits import Limits
from pipeline.privacy import ALLOWED_ELEMENTS
from pipeline.sources.files import FoundFile
from pipeline.vocabulary import Reason, SeriesWarning

NUMBERS = st.integers() | st.floats(allow_nan=False) | st.text(max_size=3) | st.none()


def describe(files: Iterable[tuple[SliceHeader, ...]]) -> str:
    """Return the slices of files as text, in which NaN is equal to NaN and 1 is not 1.0."""
    return repr([[replace(one, elements=dict(sorted(one.elements.items()))) for one in slices] for slices in files])


def come_back(batch: Batch) -> bool:
    return describe(unpack_slices(pack_slices(batch))) == describe(batch.slices)


def batch_of(*elements: dict[str, Any]) -> Batch:
    """Return a batch of slices that differ in their elements."""
    slices = [replace(header(f"{n}", Xyz(0.0, 0.0, float(n))), elements=each) for n, each in enumerate(elements)]
    return Batch([one.file for one in slices], [(one,) for one in slices], [], [frozenset() for _ in slices])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(["KVP", "Rows", "ImageType"]), NUMBERS | st.lists(NUMBERS)), max_size=5)
)
def test_a_batch_comes_back_as_it_was(elements: list[dict[str, Any]]) -> None:
    batch = batch_of(*elements)
    assert come_back(batch)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=6))
def test_observations_come_back_as_they_were(seen: list[list[int]]) -> None:
    batch = replace(
        batch_of(*({} for _ in seen)), pool=[Observation("0018,0060", "KVP", "DS", "1\\2", "1", has_parts=True)]
    )
    batch.seen = list(map(frozenset, seen))
    expected = [
        (file.path, identify_owner(slices[0]), places)
        for file, slices, places in zip(batch.files, batch.slices, batch.seen, strict=True)
        if places
    ]
    packed = pack_observations(batch)
    assert (unpack_observations(packed) if packed else (batch.pool, [])) == (batch.pool, expected)


def test_numbers_that_are_equal_and_written_differently_stay_apart() -> None:
    batch = batch_of({"KVP": 1}, {"KVP": 1.0}, {"KVP": 1})
    assert [repr(one.elements["KVP"]) for (one,) in unpack_slices(pack_slices(batch))] == ["1", "1.0", "1"]


def test_words_of_the_vocabulary_come_back_as_such() -> None:
    one = replace(
        header("x", None),
        refusal=(Reason.CORRUPT, "cut"),
        warnings=frozenset({SeriesWarning.W_CHARSET, SeriesWarning.W_LOSSY}),
        flaws={"Rows": Flaw.MISSING},
    )
    refused = FoundFile("/in/\udc80", 0, 0, (Reason.UNREADABLE, "a link"))
    files = [(one,), (replace(one, file=refused),)]
    back = unpack_slices(pack_slices(Batch([one.file, refused], files, [], [frozenset()] * 2)))
    assert describe(back) == describe(files)
    assert type(back[0][0].flaws["Rows"]) is Flaw
    assert back[1][0].file == refused


def test_what_is_the_same_in_all_slices_is_written_once() -> None:
    short, long = (len(pack_slices(batch_of(*[{"ImageType": ["ORIGINAL"] * 9}] * n))) for n in (10, 20))
    assert long < 2 * short


def test_a_changed_bit_is_damage() -> None:
    packed = bytearray(pack_slices(batch_of({"KVP": 1})))
    packed[-7] ^= 1
    with pytest.raises(DamageError):
        unpack_slices(bytes(packed))


def test_the_files_of_each_series_are_apart_with_what_was_seen_in_them() -> None:
    whole = batch_of({}, {}, {})
    other = replace(whole.slices[1][0], identity=replace(whole.slices[1][0].identity, series_instance_uid="1.9"))
    pool = [Observation("0018,0060", "KVP", "DS", raw, raw) for raw in ("1", "2", "3")]
    seen = [frozenset({0}), frozenset({1}), frozenset({0, 2})]
    whole = Batch(whole.files, [whole.slices[0], (other,), whole.slices[2]], pool, seen)
    found = {places[0]: (places, batch) for _, places, batch in whole.split_by_series()}
    assert found[0][0] == [0, 2]
    assert found[0][1].pool == [pool[0], pool[2]]
    assert found[0][1].seen == [frozenset({0}), frozenset({0, 1})]
    assert (found[1][0], found[1][1].pool, found[1][1].seen) == ([1], [pool[1]], [frozenset({0})])


def test_every_bad_input_comes_back_as_it_was(bad_inputs: Path) -> None:
    files = [found_file(path) for path in sorted(bad_inputs.rglob("*")) if path.is_file()]
    batch = read_batch(files[::5], Terms(Limits(), ALLOWED_ELEMENTS))
    assert come_back(batch)
