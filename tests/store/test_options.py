from typing import Any

import pytest

from pipeline.store.layout import StoreOptions


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"chunks": (0, 64, 64)}, "chunks must be at least 1"),
        ({"shards": (64, 64, 100)}, "whole multiples"),
        ({"shards": (0, 64, 64)}, "whole multiples"),
        ({"level": 10}, "level must be from 0 to 9"),
        ({"level": -1}, "level must be from 0 to 9"),
        ({"pyramid_levels": 0}, "at least 1"),
        ({"pyramid_levels": 13}, "at most 12"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        StoreOptions(**options)


@pytest.mark.parametrize("shards", ["auto", None, (64, 64, 64), (128, 64, 640)])
def test_shards_of_whole_chunks_are_accepted(shards: Any) -> None:
    assert StoreOptions(shards=shards).shards == shards
