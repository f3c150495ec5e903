from dataclasses import fields, replace

import pytest

from pipeline.limits import Limits

NAMES = [limit.name for limit in fields(Limits)]


@pytest.mark.parametrize("name", NAMES)
def test_a_limit_has_a_least_value(name: str) -> None:
    least = 0 if name == "retries" else 1
    assert getattr(replace(Limits(), **{name: least}), name) == least
    with pytest.raises(ValueError, match=f"{name} must be at least {least}"):
        replace(Limits(), **{name: least - 1})


def test_the_defaults_let_genuine_series_through() -> None:
    limits = Limits()
    assert limits.max_voxels > 512 * 512 * 3000
    assert limits.max_slices > 3000
    assert limits.max_nesting > 20
