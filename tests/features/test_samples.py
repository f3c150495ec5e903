from math import ceil

import numpy as np
import pytest
import torsos
import volumes
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.features.anatomy import SAMPLE_MM, Samples, search_bytes, strides
from pipeline.geometry import Zyx
from pipeline.volume import Volume

FINE = volumes.grid((12, 30, 28), (0.7, 0.45, 0.9))


@pytest.mark.parametrize(("spacing_mm", "stride"), [(0.45, 4), (0.7, 2), (1.0, 2), (1.01, 1), (2.0, 1), (8.0, 1)])
def test_samples_lie_no_more_than_two_millimetres_apart_or_as_the_voxels_do(spacing_mm: float, stride: int) -> None:
    assert strides(volumes.grid((4, 4, 4), (spacing_mm, 1, 1))).z == stride
    assert stride * spacing_mm <= SAMPLE_MM or stride == 1


@pytest.mark.parametrize("order", [Zyx(0, 1, 2), Zyx(1, 0, 2), Zyx(2, 1, 0)])
def test_the_axis_between_foot_and_head_is_in_front_whatever_the_order(order: Zyx[int]) -> None:
    upright = torsos.grid(Zyx(5, 20, 30), Zyx(3.0, 1.5, 1.5))
    samples = Samples.of(torsos.torso(torsos.turned(upright, order)))
    assert samples.hu.shape[0] == upright.shape.z


def test_a_sample_stands_for_the_voxels_from_it_to_the_next() -> None:
    samples = Samples.of(volumes.noise(volumes.grid((4, 40, 40), (5, 1, 1))))
    assert samples.sample_ml == pytest.approx(5 * 2 * 2 / 1000)


def test_what_was_invented_between_slices_is_seen() -> None:
    nothing, everything = np.zeros(FINE.shape, np.bool_), np.ones(FINE.shape, np.bool_)
    voxels = volumes.noise(FINE).voxels
    assert not Samples.of(Volume(voxels, nothing, FINE)).seen.any()
    assert Samples.of(Volume(voxels, nothing, FINE, usable=everything)).seen.all()


@settings(max_examples=40, deadline=None)
@given(st.data(), st.floats(0, 6))
def test_a_box_holds_the_voxels_that_were_found_and_the_margin(data: st.DataObject, margin_mm: float) -> None:
    low = tuple(data.draw(st.integers(0, n - 5)) for n in FINE.shape)
    high = tuple(data.draw(st.integers(first + 4, n - 1)) for first, n in zip(low, FINE.shape, strict=True))
    hu = np.full(FINE.shape, -1000, np.float32)
    hu[tuple(slice(first, last + 1) for first, last in zip(low, high, strict=True))] = 0
    samples = Samples.of(volumes.volume(hu, FINE))
    box = samples.box_around(samples.hu > -500, margin_mm)
    assert box is not None
    for start, n, first, last, size, mm, k in zip(
        *box, low, high, FINE.shape, FINE.spacing_mm, strides(FINE), strict=True
    ):
        margin = ceil(margin_mm / mm)
        assert max(0, first - margin - k + 1) <= start <= max(0, first - margin)
        assert min(size, last + 1 + margin) <= start + n <= min(size, last + margin + k)


def test_around_nothing_there_is_no_box() -> None:
    samples = Samples.of(volumes.noise(FINE))
    assert samples.box_around(np.zeros_like(samples.seen), 5) is None


def test_a_search_on_fine_voxels_takes_less_than_the_volume() -> None:
    assert search_bytes(volumes.grid((300, 512, 512), (1.25, 0.75, 0.75))) < 300 * 512 * 512 * 4.1
