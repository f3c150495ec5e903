"""A mask that would take too much memory is refused, and the series is prepared without it."""

import numpy as np
import volumes
from masked import grid

from pipeline.masks.drawn import DrawnMask
from pipeline.masks.pick import Attempt, Picked
from pipeline.masks.sources import LinkedFile
from pipeline.prepare.masks import measure_mb, refuse_too_large
from pipeline.program.program import Program
from pipeline.steps.resample import Resample
from pipeline.vocabulary import MaskReason
from pipeline.volume import VolumeSpec

SHAPE = (64, 128, 128)
PROGRAM = Program.compile((Resample(factor=(1, 2, 2)),), VolumeSpec(volumes.grid(SHAPE)), "int16")


def test_a_mask_counts_on_its_slices_and_on_its_volume() -> None:
    labels = np.broadcast_to(np.uint8(0), SHAPE)
    assert measure_mb(DrawnMask(labels), PROGRAM) == 1 + 4
    assert measure_mb(DrawnMask(np.broadcast_to(np.uint16(0), (10, *SHAPE))), PROGRAM) == 2 * 10 * (1 + 4)


def test_a_refused_mask_says_what_it_would_take() -> None:
    drawn = DrawnMask(np.zeros(grid().shape, np.uint8))
    empty = Attempt(LinkedFile("b.dcm", "series"), None, MaskReason.EMPTY)
    picked = Picked((Attempt(LinkedFile("a.dcm", "series"), drawn), empty), drawn, MaskReason.OK)
    refused = refuse_too_large(picked, 700, 600)
    assert (refused.drawn, refused.reason) == (None, MaskReason.TOO_LARGE)
    assert [attempt.reason for attempt in refused.attempts] == [MaskReason.TOO_LARGE, MaskReason.EMPTY]
    assert "700 MiB of the 600 MiB" in (refused.detail or "")
