from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.scan.census import ValueCounts

WORDS = st.lists(st.integers(0, 60).map(str), max_size=80)


def tally(words: list[str], most: int = 10) -> ValueCounts:
    counted = ValueCounts(most=most)
    for word in words:
        counted.add(word)
    return counted


def test_few_values_are_counted_exactly() -> None:
    counted = tally(["a", "b", "a"])
    counted.trim()
    assert (counted.n, counted.counts, counted.n_unique, counted.n_cut) == (3, {"a": 2, "b": 1}, 2, 0)
    assert counted.most_common(1) == [("a", 2)]


def test_equally_frequent_values_come_by_the_alphabet() -> None:
    assert tally(["b", "a", "c"]).most_common(2) == [("a", 1), ("b", 1)]


@settings(max_examples=60)
@given(WORDS, WORDS, WORDS)
def test_parts_add_up_to_the_whole_in_any_order(one: list[str], two: list[str], three: list[str]) -> None:
    whole = tally([*one, *two, *three])
    forth, back, inner = tally(one), tally(three), tally(two)
    forth.merge(tally(two))
    forth.merge(tally(three))
    inner.merge(tally(one))
    back.merge(inner)
    for counted in (whole, forth, back):
        counted.trim()
    assert whole == forth == back


@settings(max_examples=40)
@given(WORDS)
def test_what_is_kept_of_too_many_values_is_counted_exactly(words: list[str]) -> None:
    counted = tally(words)
    counted.trim()
    assert len(counted.counts) == min(10, len(set(words)))
    assert all(words.count(word) == n for word, n in counted.counts.items())
    assert counted.n == len(words) == counted.n_cut + sum(counted.counts.values())


def test_the_number_of_values_beyond_the_bound_is_estimated() -> None:
    counted = tally([str(number) for number in range(20_000)], most=1000)
    counted.trim()
    assert len(counted.counts) == 1000
    assert abs(counted.n_unique - 20_000) < 2000
