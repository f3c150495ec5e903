"""The program of one series: the repairs that its stack needs, then the steps that are asked for."""

from pipeline.dicom.policy import GeometryOptions
from pipeline.dicom.stack.stack import Stack
from pipeline.errors import SeriesRefusedError
from pipeline.geometry import Zyx
from pipeline.limits import Limits
from pipeline.prepare.job import Recipe
from pipeline.program.program import Program, require_voxels
from pipeline.program.step import Step
from pipeline.steps.correct_tilt import CorrectTilt
from pipeline.steps.even_slices import InterpolateGap, ResampleSlices
from pipeline.vocabulary import Reason, Verdict
from pipeline.volume import VolumeSpec


def compile_program(stack: Stack, recipe: Recipe) -> Program:
    """Compile repairs and steps; raises SeriesRefusedError where a result would be over a limit."""
    padding_hu, reach = recipe.policy.hounsfield.padding_hu, Zyx(stack.reach, None, None)
    source = VolumeSpec(geometry=stack.geometry(), padding_hu=padding_hu, reach=reach)
    steps = (*list_repairs(stack, recipe.policy.geometry), *recipe.steps)
    program = Program.compile(steps, source, recipe.store.dtype)
    require_voxels(program)
    for spec in program.specs:
        _check_limits(spec.geometry.shape, recipe.policy.limits)
    return program


def list_repairs(stack: Stack, options: GeometryOptions) -> tuple[Step, ...]:
    """Return the steps that repair the stack: none if it is upright and even."""
    repairs: list[Step] = []
    if stack.is_tilted and options.gantry_tilt == "correct":
        offsets_mm = tuple((x, y) for x, y in stack.offsets_mm.tolist())
        repairs.append(CorrectTilt(stack.tilt_deg, offsets_mm, stack.nominal_tilt_deg))
    if stack.verdict == Verdict.GAP:
        repairs.append(InterpolateGap(tuple((stack.planes * stack.step_mm).tolist()), stack.step_mm))
    if stack.verdict == Verdict.UNEVEN:
        positions_mm = tuple((stack.positions_mm - stack.positions_mm[0]).tolist())
        repairs.append(ResampleSlices(positions_mm, stack.step_mm))
    return tuple(repairs)


def _check_limits(shape: Zyx[int], limits: Limits) -> None:
    if shape.z > limits.max_slices:
        detail = f"{shape.z} planned slices are over max_slices {limits.max_slices}"
        raise SeriesRefusedError(Reason.LIMIT, detail)
    if (n_voxels := shape.z * shape.y * shape.x) > limits.max_voxels:
        detail = f"{n_voxels} planned voxels are over max_voxels {limits.max_voxels}"
        raise SeriesRefusedError(Reason.LIMIT, detail)
