import numpy as np
import plain_features
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from pipeline.kernels.slices import add_open, fill, joined_to_border, largest_piece, looked_up, roughness, tallied, warm

KINDS = (np.uint8, np.uint16, np.uint32)
shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
codes_of_four = shapes.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 3)))
tables_of_four = arrays(np.bool_, 4)
EXAMPLES = settings(max_examples=80, deadline=None)


@EXAMPLES
@given(codes_of_four, st.sampled_from(KINDS[1:]), arrays(np.float32, 4, elements=st.floats(-9, 9, width=32)))
def test_each_code_is_looked_up_and_counted(codes: np.ndarray, kind: type, table: np.ndarray) -> None:
    found, counts = looked_up(codes.astype(kind), table)
    np.testing.assert_array_equal(found, table[codes])
    np.testing.assert_array_equal(counts, np.bincount(codes.ravel(), minlength=4))


@EXAMPLES
@given(codes_of_four, st.sampled_from(KINDS), tables_of_four)
def test_places_joined_to_the_border_are_the_pieces_that_touch_it(
    codes: np.ndarray, kind: type, is_open: np.ndarray
) -> None:
    pieces, _ = ndimage.label(is_open[codes])
    touching = np.unique(np.r_[pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    expected = np.isin(pieces, touching[touching > 0])
    np.testing.assert_array_equal(joined_to_border(codes.astype(kind), is_open), expected)


def test_a_way_that_winds_is_followed_to_its_end() -> None:
    codes = np.zeros((61, 61), np.uint16)
    codes[1::2, 1:-1] = 1
    codes[2:-1:4, -2] = codes[4:-1:4, 1] = codes[1, 0] = 1
    is_open = np.array([False, True])
    np.testing.assert_array_equal(joined_to_border(codes, is_open), codes == 1)
    codes[1, 0] = 0
    assert not joined_to_border(codes, is_open).any()


@EXAMPLES
@given(shapes.flatmap(lambda shape: arrays(np.bool_, shape)))
def test_the_largest_piece_is_the_first_of_the_largest(places: np.ndarray) -> None:
    pieces, n_pieces = ndimage.label(places)
    sizes = [int((pieces == piece + 1).sum()) for piece in range(n_pieces)]
    expected = pieces == sizes.index(max(sizes)) + 1 if sizes else places
    np.testing.assert_array_equal(largest_piece(places.view(np.uint8), np.array([False, True])), expected)


@EXAMPLES
@given(codes_of_four, tables_of_four, st.data())
def test_open_places_are_added_only_where_asked(codes: np.ndarray, is_open: np.ndarray, data: st.DataObject) -> None:
    where, places = data.draw(arrays(np.bool_, (2, *codes.shape)))
    expected = places | (where & is_open[codes])
    add_open(codes.astype(np.uint16), is_open, where, places)
    np.testing.assert_array_equal(places, expected)


@EXAMPLES
@given(codes_of_four, st.data())
def test_what_is_filled_is_counted_no_more(codes: np.ndarray, data: st.DataObject) -> None:
    places = data.draw(arrays(np.bool_, codes.shape))
    plane, counts = looked_up(codes.astype(np.uint16), np.arange(4, dtype=np.float32))
    fill(codes.astype(np.uint16), places, -1024.0, plane, counts)
    np.testing.assert_array_equal(plane, np.where(places, -1024, codes.astype(int)))
    np.testing.assert_array_equal(counts, np.bincount(codes[~places], minlength=4))


@EXAMPLES
@given(arrays(np.float32, 6, elements=st.floats(-9, 9, width=32)), arrays(np.int64, 6, elements=st.integers(0, 40)))
def test_values_are_tallied_as_if_each_stood_alone(values: np.ndarray, counts: np.ndarray) -> None:
    bins = np.zeros(11, np.int64)
    n, low, high, mean, squares = tallied(values, counts, bins)
    alone = np.repeat(values.astype(np.float64), counts)
    np.testing.assert_array_equal(bins, np.bincount(np.rint(alone).clip(-5, 5).astype(int) + 5, minlength=11))
    assert n == alone.size
    if n:
        assert (low, high) == (alone.min(), alone.max())
        assert mean == pytest.approx(alone.mean(), rel=1e-12, abs=1e-12)
        assert squares == pytest.approx(alone.var() * n, rel=1e-9, abs=1e-9)


def test_values_without_bound_count_in_the_outermost_bins() -> None:
    bins = np.zeros(5, np.int64)
    tallied(np.array([-np.inf, -1e38, 0, np.inf], np.float32), np.ones(4, np.int64), bins)
    assert bins.tolist() == [2, 0, 1, 0, 1]


@EXAMPLES
@given(
    shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=st.floats(-300, 300, width=32))),
    st.data(),
)
def test_roughness_is_that_of_whole_planes_bit_for_bit(plane: np.ndarray, data: st.DataObject) -> None:
    measured = data.draw(arrays(np.bool_, plane.shape, elements=st.booleans(), fill=st.just(value=True)))
    found = roughness(plane, measured, -150.0, 150.0)
    np.testing.assert_array_equal(found, plain_features.roughness(plane, measured))


def test_warming_readies_every_loop() -> None:
    warm()
    for loop in (looked_up, joined_to_border, largest_piece, add_open, fill, tallied, roughness):
        assert loop.signatures  # type: ignore[attr-defined]
