"""A program in words: what each step leaves, what the steps fold into, and the memory that takes."""

from itertools import accumulate

from pipeline.lines import ClampedLine
from pipeline.steps.changes import Barrier, Change, LineChange, Shear, Warp, streams
from pipeline.steps.footprint import passing_bytes, volume_bytes, warp_bytes
from pipeline.steps.grid import AxisMap
from pipeline.steps.program import Program
from pipeline.steps.weights import axis_weights
from pipeline.volume import VolumeSpec


def explain(program: Program) -> list[str]:
    """Return a line for the source and each step, then one for each change that they fold into, and for the cast."""
    specs = accumulate(program.changes, lambda spec, change: change.after(spec), initial=program.source)
    return [
        f"source: {_of_volume(program.source)}",
        *(f"{step.name}: {_of_volume(spec)}" for step, spec in zip(program.steps, program.specs, strict=True)),
        *(
            f"= {' + '.join(names)}: {_of_change(change)}; {_memory(change, before)}"
            for change, names, before in zip(program.changes, program.folded, specs, strict=False)
        ),
        f"= cast: {program.dtype}, {_megabytes(program.nbytes)} to store; most memory {_megabytes(program.peak_bytes)}",
    ]


def _of_volume(spec: VolumeSpec) -> str:
    shape = " x ".join(str(n) for n in spec.shape)
    spacing = " x ".join(f"{mm:g}" for mm in spec.geometry.spacing_mm)
    return f"{shape} at {spacing} mm, {spec.scale}, {_megabytes(volume_bytes(spec))}"


def _of_change(change: Change) -> str:
    match change:
        case LineChange():
            return ", ".join(_of_line(line) for line in change.lines)
        case Barrier():
            return "a statistic of the whole volume, then its line"
        case Warp():
            return "trilinear on a turned grid, of the whole volume"
        case Shear():
            return "each slice moved in its plane, 2 x 2 taps"
        case _ if change.exact:
            return "samples taken as they are"
        case _:
            return f"weighted sums, {' x '.join(str(_taps(axis)) for axis in change.axes)} taps (z x y x x)"


def _of_line(line: ClampedLine) -> str:
    return f"y = clip({line.a:g} x {line.b:+g}, {line.low:g}, {line.high:g})"


def _taps(axis: AxisMap) -> int:
    return 1 if axis.exact else int(axis_weights(axis)[1].shape[1])


def _memory(change: Change, before: VolumeSpec) -> str:
    if not streams(change):
        working = warp_bytes(change, before) if isinstance(change, Warp) else passing_bytes(change, before)
        return f"the whole volume in memory, {_megabytes(volume_bytes(before) + working)}"
    return f"plane by plane, {_megabytes(passing_bytes(change, before))}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
