"""An estimate from headers: what will come out of a series, and at what cost."""

from pipeline.dicom.headers.slice import Series
from pipeline.dicom.stack.checks import check_stack
from pipeline.dicom.stack.stack import build_stack
from pipeline.errors import SeriesRefusedError
from pipeline.prepare.job import Recipe
from pipeline.prepare.repairs import compile_program
from pipeline.program.program import Program
from pipeline.store.layout import buffer_bytes
from pipeline.vocabulary import Verdict


def estimate_program(series: Series, recipe: Recipe) -> Program | str:
    """Return the program that a series will go through, or in words why there is none, or why headers do not tell."""
    stack = build_stack(series.images)
    if stack.verdict is Verdict.DUPLICATE:
        return "slices share positions: their pixels decide"
    if refusal := check_stack(stack, recipe.policy):
        return ": ".join(refusal)
    try:
        return compile_program(stack, recipe)
    except SeriesRefusedError as error:
        return str(error)


def estimate_memory_mb(series: Series, recipe: Recipe) -> float | None:
    """Return the most memory that preparing a series will take, in MiB; None where its headers do not tell."""
    program = estimate_program(series, recipe)
    return None if isinstance(program, str) else round(peak_memory_mb(program, recipe), 3)


def describe_program(program: Program, recipe: Recipe) -> str:
    """Return the shape, the dtype, the size and the peak memory of what comes out, in words."""
    shape = f"{'at most ' if program.is_upper_bound else ''}{' x '.join(str(n) for n in program.shape)}"
    peak_mb = peak_memory_mb(program, recipe)
    return f"{shape} {program.dtype}, {program.nbytes / 2**20:.1f} MB, peak memory {peak_mb:.0f} MB"


def peak_memory_mb(program: Program, recipe: Recipe) -> float:
    """Return the MiB that a program holds at once, and what waits until a layer of chunks is full.

    What a worker holds anyway, libraries mostly, comes on top: some 150 MiB.
    """
    return (program.peak_bytes + buffer_bytes(program.shape, program.dtype, recipe.store)) / 2**20
