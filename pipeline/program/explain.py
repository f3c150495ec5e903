"""A program in words: the result of each step, the changes that steps fold into, and their memory."""

from pipeline.program.axis import AxisMap, axis_weights
from pipeline.program.changes import Barrier, Blank, Change, LineChange, Quantisation, Search, Shear, Warp, streams
from pipeline.program.program import Program, barrier_bytes, streaming_bytes, volume_bytes
from pipeline.volume import ClampedLine, VolumeSpec

AT_MOST = "at most "
"""Before a size that depends on a box not found yet."""

FIXED: dict[type[Change], str] = {
    Barrier: "a statistic of the whole volume, then its line",
    Search: "found in the whole volume: a box, whose samples are taken as they are, a range, or the body",
    Warp: "trilinear on a turned grid, of the whole volume",
    Shear: "each slice moved in its plane, 2 x 2 taps",
    Blank: "padding outside the body",
}
"""The changes whose words do not depend on their parameters."""


def explain(program: Program) -> list[str]:
    """Return a line for the source and each step, then one for each change that they fold into, and for the cast."""
    lines = [f"source: {_of_volume(program.source)}"]
    first_search = len(program.steps) if program.first_search is None else program.first_search
    for index, (step, spec) in enumerate(zip(program.steps, program.specs, strict=True)):
        bound = AT_MOST if index >= first_search else ""
        lines.append(f"{step.name}: {bound}{_of_volume(spec)}")
    before = program.source
    for change, names in zip(program.changes, program.folded, strict=True):
        lines.append(f"= {' + '.join(names)}: {_of_change(change)}; {_memory(change, before)}")
        before = change.after(before)
    return [*lines, f"= cast: {program.dtype}, {_to_store(program)}; most memory {_megabytes(program.peak_bytes)}"]


def _to_store(program: Program) -> str:
    return f"{AT_MOST if program.is_upper_bound else ''}{_megabytes(program.nbytes)} to store"


def _of_volume(spec: VolumeSpec) -> str:
    shape = " x ".join(str(n) for n in spec.shape)
    spacing = " x ".join(f"{mm:g}" for mm in spec.geometry.spacing_mm)
    return f"{shape} at {spacing} mm, {spec.scale}, {_megabytes(volume_bytes(spec))}"


def _of_change(change: Change) -> str:
    match change:
        case LineChange():
            return ", ".join(_of_line(line) for line in change.lines)
        case Quantisation():
            return f"y = {change.start:g} + a whole number x {change.step:g} ({change.rule})"
        case Barrier() | Search() | Warp() | Shear() | Blank():
            return FIXED[type(change)]
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
        return f"the whole volume in memory, {_megabytes(volume_bytes(before) + barrier_bytes(change, before))}"
    return f"plane by plane, {_megabytes(streaming_bytes(change, before))}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
