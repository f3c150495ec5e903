"""Programs, volumes and grids drawn at random, for tests that hold a program against what its steps mean."""

from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
import volumes
from hypothesis import strategies as st

from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.program.step import Step
from pipeline.steps.centre import Centre
from pipeline.steps.clip import Clip
from pipeline.steps.correct_tilt import CorrectTilt
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.even_slices import InterpolateGap, ResampleSlices
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.steps.window import Channel, Window
from pipeline.volume import Volume, VolumeSpec

UNITS = np.eye(3)
FRAMES = [frame for order, signs in product(permutations(UNITS), product((1, -1), repeat=3))
          if np.linalg.det(frame := np.array(order) * np.array(signs)[:, None]) > 0]  # fmt: skip
"""The 24 ways in which a scanner's rows, columns and slices can lie along a patient's axes: (x, y, z)."""

SPACINGS = st.sampled_from([0.7, 0.8, 1.0, 1.25, 2.5, 3.0])
METHODS = st.sampled_from(["linear", "nearest", "cubic"])


@dataclass(frozen=True, eq=False)
class Drawn:
    """A volume, its description, and steps that can be done to it."""

    source: Volume
    spec: VolumeSpec
    steps: tuple[Step, ...]


def three(values: st.SearchStrategy[float | int | None]) -> st.SearchStrategy[tuple[float | int | None, ...]]:
    """Return one value per axis."""
    return st.tuples(values, values, values)


resamples = st.one_of(
    st.builds(
        Resample, three(st.sampled_from([None, 0.6, 1.0, 1.7, 2.5, 4.0])), method=METHODS, antialias=st.booleans()
    ),
    st.builds(
        Resample, factor=three(st.sampled_from([None, 0.3, 0.5, 0.7, 1.6])), method=METHODS, antialias=st.booleans()
    ),
)
grids = st.one_of(st.just(Orient("LPS")), resamples, st.builds(CropOrPad, three(st.integers(1, 9))))
clips = st.sampled_from([Clip(-1000, 400), Clip(-500.5, 2000), Window("lung"), Window(centre_hu=300, width_hu=2500)])
channels = st.sampled_from([Window(channels=(Channel("lung"), Channel("bone"))), Clip(-900, 900)])
centres = st.sampled_from([Centre(0.25), Centre("volume")])
ranges = st.sampled_from([Normalise("zero_one"), Normalise("minus_one_one"), Normalise("z_score")])


@st.composite
def chains(draw: st.DrawFn) -> tuple[Step, ...]:
    """Draw steps in an order that is possible: grids anywhere, Hounsfield units before anything normalised."""
    in_hu = draw(st.lists(st.one_of(grids, clips), max_size=3))
    normalised = draw(st.sampled_from([0, 0, 1, 2]))
    bounded = [draw(channels)] if normalised else []
    told = [draw(ranges), *draw(st.lists(st.one_of(grids, centres), max_size=2))] if normalised == 2 else []
    between = draw(st.lists(grids, max_size=1)) if normalised else []
    return (*in_hu, *bounded, *between, *told)


@st.composite
def repairs(draw: st.DrawFn, n: int, step_mm: float) -> tuple[tuple[Step, ...], tuple[float, float]]:
    """Draw what is repaired of n slices, and how far each slice lies aside of the one before, in mm (x, y)."""
    kind = draw(st.sampled_from(["none", "none", "tilt", "gap", "uneven"]))
    if kind == "tilt":
        drift = draw(st.sampled_from([(0.0, 0.7), (0.35, -0.9), (-1.4, 0.2)]))
        return (CorrectTilt(10.0, tuple((k * drift[0], k * drift[1]) for k in range(n))),), drift
    gaps = draw(
        st.lists(
            st.sampled_from([1, 1, 2, 3] if kind == "gap" else [0.5, 1, 1.2, 1.8, 2.6]), min_size=n - 1, max_size=n - 1
        )
    )
    positions_mm = tuple(float(at) * step_mm for at in np.cumsum([0, *gaps]))
    chosen = {"gap": InterpolateGap, "uneven": ResampleSlices}
    return ((chosen[kind](positions_mm, step_mm),) if kind in chosen else ()), (0.0, 0.0)


@st.composite
def programs(draw: st.DrawFn) -> Drawn:
    """Draw a volume of noise in any of a scanner's frames, measured everywhere or in a ball, and what is done to it."""
    shape, spacing_mm = Zyx(*draw(three(st.integers(3, 8)))), Zyx(*draw(three(SPACINGS)))
    x, y, z = (Xyz(*(float(value) + 0.0 for value in axis)) for axis in draw(st.sampled_from(FRAMES)))
    mending, drift = draw(repairs(shape.z, spacing_mm.z))
    geometry = _leaning(volumes.grid(shape, spacing_mm, Zyx(z, y, x)), drift)
    source = volumes.half_valid(geometry) if draw(st.booleans()) else volumes.noise(geometry)
    reach = draw(st.sampled_from([None, 0.2]))
    return Drawn(source, VolumeSpec(geometry, reach=Zyx(reach, None, None)), (*mending, *draw(chains())))


def _leaning(geometry: Geometry, drift_mm: tuple[float, float]) -> Geometry:
    """Return the grid of slices that lie aside of one another."""
    z, y, x = np.array(geometry.axes)
    way = geometry.spacing_mm.z * z + drift_mm[0] * x + drift_mm[1] * y
    length = float(np.linalg.norm(way))
    axis = Xyz(*(float(value) for value in way / length))
    spacing_mm = geometry.spacing_mm._replace(z=length)
    return replace(geometry, spacing_mm=spacing_mm, axes=geometry.axes._replace(z=axis))
