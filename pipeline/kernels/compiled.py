"""How every loop is compiled: without the interpreter's lock, kept on disk, and with the arithmetic as written."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(loop: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return a loop that becomes machine code when it is first called, and is found on disk by the next process.

    The code is kept beside its module, else in the user's cache folder; where neither can be written, every process
    compiles for itself.  No fast-math: sums are taken in the order in which they are written, on every machine.
    """
    try:
        kept: Callable[Arguments, Result] = njit(cache=True, nogil=True)(loop)
    except RuntimeError:  # numba finds no folder to write to
        kept = njit(nogil=True)(loop)
    return kept
