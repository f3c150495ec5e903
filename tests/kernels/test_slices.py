import numpy as np
import plain_features
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pipeline.kernels.slices import count_values, look_up, measure_outline, measure_roughness, warm

KINDS = (np.uint16, np.uint32)
shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
codes_of_four = shapes.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 3)))
EXAMPLES = settings(max_examples=80, deadline=None)


@EXAMPLES
@given(
    codes_of_four, st.sampled_from([np.uint16, np.uint32]), arrays(np.float32, 4, elements=st.floats(-9, 9, width=32))
)
def test_each_code_is_looked_up_and_counted(codes: np.ndarray, kind: type, table: np.ndarray) -> None:
    found, counts = look_up(codes.astype(kind), table)
    np.testing.assert_array_equal(found, table[codes])
    np.testing.assert_array_equal(counts, np.bincount(codes.ravel(), minlength=4))


@EXAMPLES
@given(arrays(np.float32, 6, elements=st.floats(-9, 9, width=32)), arrays(np.int64, 6, elements=st.integers(0, 40)))
def test_values_are_tallied_as_if_each_stood_alone(values: np.ndarray, counts: np.ndarray) -> None:
    bins = np.zeros(11, np.int64)
    n, low, high, mean, squares = count_values(values, counts, bins)
    alone = np.repeat(values.astype(np.float64), counts)
    np.testing.assert_array_equal(bins, np.bincount(np.rint(alone).clip(-5, 5).astype(int) + 5, minlength=11))
    assert n == alone.size
    if n:
        assert (low, high) == (alone.min(), alone.max())
        assert mean == pytest.approx(alone.mean(), rel=1e-12, abs=1e-12)
        assert squares == pytest.approx(alone.var() * n, rel=1e-9, abs=1e-9)


def test_values_without_bound_count_in_the_outermost_bins() -> None:
    bins = np.zeros(5, np.int64)
    count_values(np.array([-np.inf, -1e38, 0, np.inf], np.float32), np.ones(4, np.int64), bins)
    assert bins.tolist() == [2, 0, 1, 0, 1]


@EXAMPLES
@given(
    shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=st.floats(-300, 300, width=32))),
    st.data(),
)
def test_roughness_is_that_of_whole_planes_bit_for_bit(plane: np.ndarray, data: st.DataObject) -> None:
    valid = data.draw(arrays(np.bool_, plane.shape, elements=st.booleans(), fill=st.just(value=True)))
    found = measure_roughness(plane, valid, -150.0, 150.0)
    np.testing.assert_array_equal(found, plain_features.roughness(plane, valid))


def test_warming_readies_every_loop() -> None:
    warm()
    for loop in (look_up, count_values, measure_roughness):
        assert loop.signatures  # type: ignore[attr-defined]


def beside(places: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where one of the four neighbours is one of ``places``, or beyond the border."""
    around = np.pad(places, 1, constant_values=True)
    found: NDArray[np.bool_] = around[:-2, 1:-1] | around[2:, 1:-1] | around[1:-1, :-2] | around[1:-1, 2:]
    return found


@EXAMPLES
@given(arrays(np.bool_, (6, 7)), arrays(np.bool_, (6, 7)))
def test_an_outline_borders_on_other_pixels_or_on_the_edge_of_the_field(
    body: NDArray[np.bool_], field: NDArray[np.bool_]
) -> None:
    cut = body & beside(~field)
    assert measure_outline(body, field) == ((cut | (body & beside(~body))).sum(), cut.sum())
