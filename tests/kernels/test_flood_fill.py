import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from pipeline.kernels import flood_fill
from pipeline.kernels.flood_fill import (
    OPEN,
    SHUT,
    UNSEEN,
    explore_from_border,
    fill_spans,
    find_joined_to_border,
    find_largest_piece,
    find_spans,
    mark_open,
    matches_spans,
)
from pipeline.kernels.slices import look_up

KINDS = (np.uint8, np.uint16, np.uint32)
shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
codes_of_four = shapes.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 3)))
tables_of_four = arrays(np.bool_, 4)
marks = shapes.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([UNSEEN, OPEN, SHUT])))
EXAMPLES = settings(max_examples=80, deadline=None)


@EXAMPLES
@given(codes_of_four, st.sampled_from(KINDS), tables_of_four)
def test_pieces_that_touch_the_border_are_joined_to_it(codes: np.ndarray, kind: type, is_open: np.ndarray) -> None:
    pieces, _ = ndimage.label(is_open[codes])
    touching = np.unique(np.r_[pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    expected = np.isin(pieces, touching[touching > 0])
    np.testing.assert_array_equal(find_joined_to_border(codes.astype(kind), is_open), expected)


def test_a_way_that_winds_is_followed_to_its_end() -> None:
    codes = np.zeros((61, 61), np.uint16)
    codes[1::2, 1:-1] = 1
    codes[2:-1:4, -2] = codes[4:-1:4, 1] = codes[1, 0] = 1
    is_open = np.array([False, True])
    np.testing.assert_array_equal(find_joined_to_border(codes, is_open), codes == 1)
    codes[1, 0] = 0
    assert not find_joined_to_border(codes, is_open).any()


@EXAMPLES
@given(shapes.flatmap(lambda shape: arrays(np.bool_, shape)))
def test_the_largest_piece_is_the_first_of_the_largest(places: np.ndarray) -> None:
    pieces, n_pieces = ndimage.label(places)
    sizes = [int((pieces == piece + 1).sum()) for piece in range(n_pieces)]
    expected = pieces == sizes.index(max(sizes)) + 1 if sizes else places
    np.testing.assert_array_equal(find_largest_piece(places.view(np.uint8), np.array([False, True])), expected)


@EXAMPLES
@given(codes_of_four, tables_of_four)
def test_a_walk_sees_its_places_and_their_neighbours(codes: np.ndarray, is_open: np.ndarray) -> None:
    seen, joined = explore_from_border(codes, is_open), find_joined_to_border(codes, is_open)
    np.testing.assert_array_equal(seen == OPEN, joined)
    around = ndimage.binary_dilation(np.pad(joined, 1, constant_values=True))[1:-1, 1:-1]
    np.testing.assert_array_equal(seen == SHUT, around & ~joined)


@EXAMPLES
@given(codes_of_four, tables_of_four, st.data())
def test_unseen_places_do_not_change_a_walk(codes: np.ndarray, is_open: np.ndarray, data: st.DataObject) -> None:
    seen = explore_from_border(codes, is_open)
    other = data.draw(arrays(np.uint8, codes.shape, elements=st.integers(0, 3)))
    np.testing.assert_array_equal(explore_from_border(np.where(seen == UNSEEN, other, codes), is_open), seen)


@EXAMPLES
@given(codes_of_four, tables_of_four, st.data())
def test_places_that_are_looked_at_are_open_or_shut(
    codes: np.ndarray, is_open: np.ndarray, data: st.DataObject
) -> None:
    where = data.draw(arrays(np.bool_, codes.shape))
    seen = data.draw(arrays(np.uint8, codes.shape, elements=st.sampled_from([UNSEEN, OPEN, SHUT])))
    expected = np.where(where, np.where(is_open[codes], OPEN, SHUT), seen)
    mark_open(codes.astype(np.uint16), is_open, where, seen)
    np.testing.assert_array_equal(seen, expected)


@EXAMPLES
@given(marks)
def test_spans_hold_all_seen_places(seen: np.ndarray) -> None:
    told, before = np.zeros(seen.size, np.uint8), (0, UNSEEN)
    for first, behind, mark in find_spans(seen):
        assert first < behind
        assert first > before[0] or mark != before[1]
        told[first:behind], before = mark, (behind, mark)
    np.testing.assert_array_equal(told.reshape(seen.shape), seen)


@EXAMPLES
@given(marks, tables_of_four, st.data())
def test_a_slice_matches_spans_where_it_is_open_and_shut_alike(
    seen: np.ndarray, is_open: np.ndarray, data: st.DataObject
) -> None:
    codes = data.draw(arrays(np.uint16, seen.shape, elements=st.integers(0, 3)))
    if data.draw(st.booleans()) and 0 < is_open.sum() < 4:  # else hardly any would look alike
        codes = np.where(seen == UNSEEN, codes, np.where(seen == OPEN, is_open.argmax(), is_open.argmin()))
        codes = codes.astype(np.uint16)
    expected = bool((is_open[codes] == (seen == OPEN))[seen != UNSEEN].all())
    assert matches_spans(codes, is_open, find_spans(seen)) == expected


@EXAMPLES
@given(codes_of_four, st.data())
def test_filled_places_are_not_counted(codes: np.ndarray, data: st.DataObject) -> None:
    seen = data.draw(arrays(np.uint8, codes.shape, elements=st.sampled_from([UNSEEN, OPEN, SHUT])))
    plane, counts = look_up(codes.astype(np.uint16), np.arange(4, dtype=np.float32))
    fill_spans(codes.astype(np.uint16), find_spans(seen), -1024.0, plane, counts)
    np.testing.assert_array_equal(plane, np.where(seen == OPEN, -1024, codes.astype(int)))
    np.testing.assert_array_equal(counts, np.bincount(codes[seen != OPEN], minlength=4))


def test_warming_readies_every_loop() -> None:
    flood_fill.warm()
    for loop in (
        fill_spans,
        find_joined_to_border,
        find_largest_piece,
        mark_open,
        matches_spans,
        explore_from_border,
        find_spans,
    ):
        assert loop.signatures  # type: ignore[attr-defined]
