from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slices import axial

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.policy import GeometryOptions, Policy
from pipeline.dicom.select.options import Preference
from pipeline.dicom.select.rank import name_preference, rank_stack, try_stack
from pipeline.dicom.stack.stack import Stack, build_stack


def told(slices: tuple[SliceHeader, ...], **elements: Any) -> tuple[SliceHeader, ...]:
    return tuple(replace(header, elements=elements) for header in slices)


def stack(n: int = 4, step: float = 1.0, thickness: float | None = 1.0, **elements: Any) -> Stack:
    return build_stack(told(axial([k * step for k in range(n)], thickness=thickness), **elements))


@pytest.mark.parametrize(
    ("preference", "better", "worse"),
    [
        ("thinnest", stack(thickness=1.0), stack(step=5, thickness=5.0)),
        ("thinnest", stack(step=2.5, thickness=2.5), stack(step=10, thickness=1.0)),
        ("thinnest", stack(step=1, thickness=1.0), stack(step=0.5, thickness=1.25)),
        ("thinnest", stack(step=1, thickness=None), stack(step=2, thickness=None)),
        ("thinnest", stack(step=5, thickness=1.0), stack(step=5, thickness=2.0)),
        ("most_slices", stack(n=5), stack(n=4)),
        ("earliest", stack(StudyDate="20191231"), stack(StudyDate="20200101")),
        ("earliest", stack(StudyDate="2019.12.31"), stack(StudyDate="20200101")),
        ("earliest", stack(StudyDate="20200101", StudyTime="081500"), stack(StudyDate="20200101", StudyTime="101500")),
        ("earliest", stack(StudyDate="20200101"), stack()),
        ("earliest", stack(AcquisitionTime="10:15:00"), stack(AcquisitionTime="101501")),
        ({"ConvolutionKernel": ["B30f", "B7*"]}, stack(ConvolutionKernel="B30f"), stack(ConvolutionKernel="B70f")),
        ({"ConvolutionKernel": ["B30f", "B7*"]}, stack(ConvolutionKernel="B70f"), stack(ConvolutionKernel="B80f")),
        ({"KVP": [120]}, stack(KVP=120.0), stack()),
    ],
)
def test_the_better_series_ranks_first(preference: Preference, better: Stack, worse: Stack) -> None:
    assert rank_stack(better, [preference]) < rank_stack(worse, [preference])


def test_what_differs_by_rounding_only_ranks_the_same() -> None:
    assert rank_stack(stack(step=0.625), ["thinnest"]) == rank_stack(stack(step=0.6250001), ["thinnest"])


def test_the_first_preference_that_differs_decides() -> None:
    thin, long = stack(n=4, thickness=1.0), stack(n=9, step=2, thickness=2.0)
    assert rank_stack(thin, ["thinnest", "most_slices"]) < rank_stack(long, ["thinnest", "most_slices"])
    assert rank_stack(long, ["most_slices", "thinnest"]) < rank_stack(thin, ["most_slices", "thinnest"])


def test_a_preference_is_named_without_its_values() -> None:
    assert (name_preference("thinnest"), name_preference({"PatientID": ["secret"]})) == ("thinnest", "PatientID")


def test_copies_do_not_count_as_slices() -> None:
    found = try_stack(Series(("uid",), axial([0, 0, 1, 1, 2, 2, 3, 3])), Policy())
    assert found is not None
    assert found.positions_mm.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("heights", [[0, 1], [0, 1, 2, 4, 5, 6], [0, 1, 2.5, 3, 5, 5.2], [0, 0, 0], [0, 1, 2, 1e160]])
def test_a_refused_geometry_is_no_candidate(heights: list[float]) -> None:
    assert try_stack(Series(("uid",), axial(heights)), Policy()) is None


def test_where_any_duplicate_is_refused_copies_are_no_candidate() -> None:
    policy = Policy(geometry=GeometryOptions(duplicate_position="reject"))
    assert try_stack(Series(("uid",), axial([0, 0, 1, 1, 2, 2])), policy) is None


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(6)))
def test_the_order_of_files_changes_no_rank(order: list[int]) -> None:
    prefer: list[Preference] = ["thinnest", "most_slices", "earliest", {"InstanceNumber": [3]}]
    slices = [replace(one, elements={"InstanceNumber": k}) for k, one in enumerate(axial(range(6), thickness=1.0))]
    assert rank_stack(build_stack([slices[k] for k in order]), prefer) == rank_stack(build_stack(slices), prefer)
