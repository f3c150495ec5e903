import numpy as np
import pytest
from numba.core import caching

from pipeline.kernels.compiled import compile_loop


def doubled(numbers: np.ndarray) -> np.ndarray:
    return numbers * 2


def test_a_compiled_loop_equals_the_plain_one() -> None:
    assert compile_loop(doubled)(np.arange(3)).tolist() == [0, 2, 4]


def test_a_loop_is_compiled_without_a_writable_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert compile_loop(doubled)(np.arange(3)).tolist() == [0, 2, 4]


def test_rounding_is_that_of_each_operation_alone() -> None:
    def multiplied_and_added(numbers: np.ndarray, factor: float, term: float) -> np.ndarray:
        found = np.empty(numbers.size)
        for i in range(numbers.size):
            found[i] = numbers[i] * factor + term
        return found

    numbers = np.random.default_rng(0).normal(0, 1000, 500)
    expected = numbers * 1.1 + 0.3
    np.testing.assert_array_equal(compile_loop(multiplied_and_added)(numbers, 1.1, 0.3), expected)
