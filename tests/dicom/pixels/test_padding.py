from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.dicom.pixels.hounsfield import PaddingFinder, PaddingRegion

Codes = NDArray[np.uint16]
Places = NDArray[np.bool_]

CANDIDATES = np.array([True, False])
N = 5
CIRCLES = tuple(np.hypot(*(np.indices((N, N)) - 2)) > radius for radius in (1.2, 2.3))
places = arrays(np.uint16, (N, N), elements=st.integers(0, 1))


def expected(codes: Codes, outside: Places | None) -> Places:
    pieces, _ = ndimage.label(codes == 0)
    touching = np.unique(np.r_[pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    beyond = (codes == 0) & (False if outside is None else outside)
    return ~(np.isin(pieces, touching[touching > 0]) | beyond)


def rimmed(width: int = 3) -> Codes:
    """Return a slice of 16 x 16 with a rim of padding."""
    codes = np.zeros((16, 16), np.uint16)
    codes[width:-width, width:-width] = 1
    return codes


def test_slices_that_are_padded_alike_share_one_mask() -> None:
    finder = PaddingFinder()
    with_air = rimmed()
    with_air[8, 8:10] = 0
    found = [finder.find(codes, CANDIDATES, None).valid for codes in (rimmed(), with_air, rimmed(4))]
    assert found[0] is found[1]
    assert found[2] is not found[0]


def test_padding_is_looked_for_anew_only_where_it_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    finder, of = PaddingFinder(), PaddingRegion.of
    looked: list[Codes] = []

    def noted(codes: Codes, candidates: Places, outside: Places | None) -> PaddingRegion:
        looked.append(codes)
        return of(codes, candidates, outside)

    monkeypatch.setattr(PaddingRegion, "of", noted)
    for width in (3, 3, 3, 4, 4, 3):
        finder.find(rimmed(width), CANDIDATES, None)
    assert len(looked) == 3


@pytest.mark.parametrize("place", [(0, 0), (2, 7), (3, 7), (15, 15)])
def test_a_single_place_more_or_less_is_noticed(place: tuple[int, int]) -> None:
    finder, other = PaddingFinder(), rimmed()
    other[place] = 1 - other[place]
    for codes in (rimmed(), other, rimmed()):
        np.testing.assert_array_equal(finder.find(codes, CANDIDATES, None).valid, expected(codes, None))


@settings(max_examples=200, deadline=None)
@given(st.lists(places, min_size=1, max_size=3), st.data())
def test_what_is_found_does_not_depend_on_the_slices_before(kinds: Sequence[Codes], data: st.DataObject) -> None:
    finder = PaddingFinder()
    for kind in data.draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=8)):
        outside, codes = data.draw(st.sampled_from([None, *CIRCLES])), kind.copy()
        if data.draw(st.booleans()):
            place = data.draw(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)))
            codes[place] = 1 - codes[place]
        found = finder.find(codes, CANDIDATES, outside)
        np.testing.assert_array_equal(found.valid, expected(codes, outside))


def test_slices_of_another_size_are_looked_at_anew() -> None:
    finder = PaddingFinder()
    for n in (16, 4, 16):
        assert not finder.find(np.zeros((n, n), np.uint16), CANDIDATES, None).valid.any()
        assert finder.find(np.zeros((n, n), np.uint16), CANDIDATES, None).valid.shape == (n, n)
