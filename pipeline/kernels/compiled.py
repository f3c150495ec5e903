"""Compilation of loops: without the interpreter's lock, cached on disk, with the arithmetic as written."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compile_loop(loop: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return a loop that is compiled when it is first called, and cached on disk for other processes.

    The cache lies beside the module, else in the user's cache folder; where neither can be written, every process
    compiles for itself.  No fast-math: sums are computed in the order written, on every machine.
    """
    try:
        compiled: Callable[Arguments, Result] = njit(cache=True, nogil=True)(loop)
    except RuntimeError:  # numba finds no folder to write to
        compiled = njit(nogil=True)(loop)
    return compiled
