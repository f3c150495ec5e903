from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dicom_bytes import found_file
from hypothesis import given, settings
from hypothesis import strategies as st
from slices import header

from pipeline.dicom.files.values import Flaw
from pipeline.dicom.headers.batch import Batch, Terms, pack_batch, read_batch, unpack_batch
from pipeline.elements import Observation
from pipeline.geometry import Xyz
from pipeline.limits import Limits
from pipeline.privacy import ALLOWED_ELEMENTS
from pipeline.sources.folders import FoundFile
from pipeline.vocabulary import Reason, SeriesWarning

NUMBERS = st.integers() | st.floats(allow_nan=False) | st.text(max_size=3) | st.none()


def describe(batch: Batch) -> Any:
    """Return everything in a batch as text, in which NaN is equal to NaN and 1 is not 1.0."""
    slices = [replace(one, elements=dict(sorted(one.elements.items()))) for slices in batch.slices for one in slices]
    return repr((batch.files, list(map(len, batch.slices)), slices, batch.pool, list(map(sorted, batch.seen))))


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
    assert describe(unpack_batch(pack_batch(batch))) == describe(batch)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=6))
def test_observations_come_back_as_they_were(seen: list[list[int]]) -> None:
    batch = replace(
        batch_of(*({} for _ in seen)), pool=[Observation("0018,0060", "KVP", "DS", "1\\2", "1", has_parts=True)]
    )
    batch.seen = list(map(frozenset, seen))
    assert describe(unpack_batch(pack_batch(batch))) == describe(batch)


def test_numbers_that_are_equal_and_written_differently_stay_apart() -> None:
    batch = batch_of({"KVP": 1}, {"KVP": 1.0}, {"KVP": 1})
    assert [repr(one.elements["KVP"]) for (one,) in unpack_batch(pack_batch(batch)).slices] == ["1", "1.0", "1"]


def test_words_of_the_vocabulary_come_back_as_such() -> None:
    one = replace(
        header("x", None),
        refusal=(Reason.CORRUPT, "cut"),
        warnings=frozenset({SeriesWarning.W_CHARSET, SeriesWarning.W_LOSSY}),
        flaws={"Rows": Flaw.MISSING},
    )
    refused = FoundFile("/in/\udc80", 0, 0, (Reason.UNREADABLE, "a link"))
    back = unpack_batch(
        pack_batch(Batch([one.file, refused], [(one,), (replace(one, file=refused),)], [], [frozenset()] * 2))
    )
    assert describe(Batch(back.files[:1], back.slices[:1], [], [frozenset()])) == describe(
        Batch([one.file], [(one,)], [], [frozenset()])
    )
    assert type(back.slices[0][0].flaws["Rows"]) is Flaw
    assert back.files[1] == refused


def test_what_is_the_same_in_all_slices_is_written_once() -> None:
    short, long = (len(pack_batch(batch_of(*[{"ImageType": ["ORIGINAL"] * 9}] * n))) for n in (10, 20))
    assert long < 2 * short


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"files": 1}'])
def test_anything_else_is_an_error(text: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        unpack_batch(text)


def test_every_bad_input_comes_back_as_it_was(bad_inputs: Path) -> None:
    files = [found_file(path) for path in sorted(bad_inputs.rglob("*")) if path.is_file()]
    batch = read_batch(files[::5], Terms(Limits(), ALLOWED_ELEMENTS))
    assert describe(unpack_batch(pack_batch(batch))) == describe(batch)
