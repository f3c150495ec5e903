import tracemalloc

import numpy as np
import pytest
import volumes

from pipeline.steps.apply import apply
from pipeline.steps.changes import Barrier, LineChange
from pipeline.steps.clip import Clip
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.footprint import peak_bytes, volume_bytes
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.steps.step import Step
from pipeline.steps.window import Channel, Window
from pipeline.volume import Volume, VolumeSpec

GEOMETRY = volumes.turned(8, volumes.grid((40, 96, 96), (2.5, 0.8, 0.8)))


def used(step: Step, source: Volume, spec: VolumeSpec) -> int:
    """Return the most bytes that a step allocates, and its source's."""
    change = step.change(spec)
    tracemalloc.start()
    ready: LineChange | object = change.resolve(source) if isinstance(change, Barrier) else change
    apply(ready, source, spec.padding)  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak + source.voxels.nbytes + source.measured.nbytes


@pytest.mark.parametrize(
    "step",
    [
        Clip(-1000, 400),
        Window(channels=(Channel("brain"), Channel("bone"), Channel("lung"))),
        Normalise("z_score"),
        Orient("LPS", "resample"),
        Resample(spacing_mm=(1, 1, 1)),
        Resample(spacing_mm=(5, 2, 2), method="cubic"),
        CropOrPad((64, 64, 128)),
    ],
)
@pytest.mark.parametrize("complete", [True, False])
def test_no_step_takes_more_than_was_said_nor_much_less(step: Step, *, complete: bool) -> None:
    source = volumes.noise(GEOMETRY) if complete else volumes.half_measured(GEOMETRY)
    spec = VolumeSpec(GEOMETRY)
    said, taken = peak_bytes(step.change(spec), spec), used(step, source, spec)
    assert taken <= said * 1.02
    assert taken >= said * 0.5


def test_a_volume_is_its_voxels_and_its_mask() -> None:
    source = volumes.noise()
    assert volume_bytes(VolumeSpec(source.geometry)) == source.voxels.nbytes + source.measured.nbytes
    channels = Window(channels=(Channel("brain"), Channel("bone"))).after(VolumeSpec(source.geometry))
    assert volume_bytes(channels) == 2 * source.voxels.nbytes + np.prod(source.geometry.shape)
