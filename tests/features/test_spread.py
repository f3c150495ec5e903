from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.features.spread import Spread, merge_spreads

values = st.lists(st.floats(-3000, 5000), max_size=8)


def spread_of(part: list[float]) -> Spread:
    if not part:
        return Spread()
    mean = sum(part) / len(part)
    return Spread(len(part), min(part), max(part), mean, sum((value - mean) ** 2 for value in part))


@given(st.lists(values, max_size=5))
def test_merged_parts_are_spread_as_all_values_together(parts: list[list[float]]) -> None:
    found, expected = merge_spreads([spread_of(part) for part in parts]), spread_of([*chain.from_iterable(parts)])
    assert (found.n, found.low, found.high) == (expected.n, expected.low, expected.high)
    assert found.mean == pytest.approx(expected.mean, rel=1e-9, abs=1e-9)
    assert found.std == pytest.approx(expected.std, rel=1e-6, abs=1e-3)


@given(values)
def test_the_empty_spread_changes_nothing(part: list[float]) -> None:
    spread = spread_of(part)
    assert spread.merge(Spread()) == Spread().merge(spread) == spread


def test_one_value_or_none_is_flat() -> None:
    assert Spread().is_flat
    assert spread_of([40.0, 40.0]).is_flat
    assert not spread_of([40.0, 41.0]).is_flat
