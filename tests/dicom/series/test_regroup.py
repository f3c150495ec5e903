from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slices import axial, leaning

from pipeline.dicom.files.values import Flaw
from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.series.regroup import regroup_series
from pipeline.vocabulary import Reason


def named(slices: Iterable[SliceHeader], **identity: Any) -> list[SliceHeader]:
    told = {"patient_id": "P", "study_instance_uid": "1.2", "frame_of_reference_uid": "1.3", "series_number": "2"}
    return [replace(header, identity=replace(header.identity, **(told | identity))) for header in slices]


def scattered(slices: Sequence[SliceHeader]) -> list[Series]:
    """Return a series of its own for each slice."""
    return [Series((f"9.{k}",), (header,)) for k, header in enumerate(slices)]


def sizes(single: list[Series]) -> list[int]:
    """Return how many slices each series has at the end, those that stay alone too."""
    joined = [len(series.slices) for series in regroup_series(single)]
    return sorted(joined + [1] * (len(single) - sum(joined)))


@pytest.mark.parametrize("drift", [(0.0, 0.0), (0.0, 0.3)])
def test_scattered_slices_of_a_stack_become_one_series(drift: tuple[float, float]) -> None:
    assert sizes(scattered(named(leaning(range(6), drift, (10.0, 20.0, 30.0))))) == [6]


def test_a_stack_with_a_gap_is_still_one_series() -> None:
    assert sizes(scattered(named(axial([0, 1, 2, 4, 5, 6])))) == [6]


@pytest.mark.parametrize("heights", [[0, 1], [0, 1, 2.5, 7], [0, 0, 1, 2]])
def test_slices_that_form_no_stack_stay_alone(heights: list[float]) -> None:
    assert sizes(scattered(named(axial(heights)))) == [1] * len(heights)


@pytest.mark.parametrize("fact", ["patient_id", "study_instance_uid", "frame_of_reference_uid", "series_number"])
def test_slices_of_two_origins_become_two_series(fact: str) -> None:
    both = named(axial(range(4)), **{fact: "1"}) + named(axial(range(4, 8)), **{fact: "2"})
    assert sizes(scattered(both)) == [4, 4]


@pytest.mark.parametrize("fact", ["frame_of_reference_uid", "series_number"])
def test_a_fact_that_differs_in_every_file_tells_nothing(fact: str) -> None:
    rewritten = [named([header], **{fact: str(k)})[0] for k, header in enumerate(axial(range(5)))]
    assert sizes(scattered(rewritten)) == [5]


def test_two_kernels_become_two_series() -> None:
    one = named(axial(range(4)))
    other = [replace(header, reconstruction=("B70f",)) for header in named(axial(range(4)))]
    assert sizes(scattered(one + other)) == [4, 4]


def test_what_is_whole_refused_or_flawed_is_let_alone() -> None:
    good = named(axial(range(5)))
    spoilt = [replace(good[3], refusal=(Reason.CORRUPT, "")), replace(good[4], flaws={"PixelSpacing": Flaw.MISSING})]
    whole = Series(("8.1",), tuple(named(axial(range(4)))))
    (joined,) = regroup_series([*scattered(good[:3] + spoilt), whole])
    assert joined.slices == tuple(good[:3])


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(6)))
def test_the_order_of_files_changes_nothing(order: list[int]) -> None:
    slices = named(axial(range(6)))
    assert regroup_series(scattered([slices[k] for k in order])) == regroup_series(scattered(slices))


def test_a_joined_series_keeps_its_identity_when_a_slice_is_added() -> None:
    four, five = (regroup_series(scattered(named(axial(range(n)))))[0].identity for n in (4, 5))
    assert four == five
