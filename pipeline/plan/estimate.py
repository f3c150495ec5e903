"""What will come out of a series, and at what cost, as far as its headers tell."""

from pipeline.dicom.headers.slice import Series
from pipeline.dicom.stack.checks import check_stack
from pipeline.dicom.stack.stack import build_stack
from pipeline.errors import SeriesRefusedError
from pipeline.prepare.job import Recipe
from pipeline.prepare.repairs import compile_program
from pipeline.program.program import Program
from pipeline.store.layout import buffer_bytes
from pipeline.vocabulary import Verdict


def forecast(series: Series, recipe: Recipe) -> Program | str:
    """Return the program that a series will go through, or in words why none can be told, or will be."""
    stack = build_stack(series.images)
    if stack.verdict is Verdict.DUPLICATE:
        return "slices share positions: their pixels decide"
    if refusal := check_stack(stack, recipe.policy):
        return ": ".join(refusal)
    try:
        return compile_program(stack, recipe)
    except SeriesRefusedError as error:
        return str(error)


def memory_mb(series: Series, recipe: Recipe) -> float | None:
    """Return the most memory that preparing a series will take, in MiB; None where its headers do not tell."""
    foreseen = forecast(series, recipe)
    return None if isinstance(foreseen, str) else round(peak_mb(foreseen, recipe), 3)


def peak_mb(program: Program, recipe: Recipe) -> float:
    """Return the MiB that a program holds at once, and what waits until a layer of chunks is full.

    What a worker holds anyway, libraries mostly, comes on top: some 150 MiB.
    """
    return (program.peak_bytes + buffer_bytes(program.shape, program.dtype, recipe.store)) / 2**20
