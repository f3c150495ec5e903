import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import plain_pixels
import pytest
from feature_volumes import features_of, histogram_of, volume_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multiframe import join_frames
from phantoms import Series, write_series
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless
from stored_slices import headers_of, read_all

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.hounsfield import SliceSource, SourceFacts
from pipeline.dicom.pixels.raw import PixelReader
from pipeline.dicom.policy import Policy
from pipeline.dicom.stack.stack import Stack, build_stack
from pipeline.errors import SeriesRefusedError
from pipeline.limits import Limits
from pipeline.vocabulary import Reason, SeriesWarning

POLICY = Policy()


def stack_of(series: Series) -> Stack:
    return build_stack(headers_of(*series.paths))


def facts_of(stack: Stack) -> SourceFacts:
    source = SliceSource(stack, POLICY)
    for k in range(len(stack.slices)):
        source.plane(k)
    return source.facts()


def plain_slice(header: SliceHeader) -> tuple[plain_pixels.PlainSlice, bool]:
    """Read a native slice in plain numpy."""
    pixels = header.pixels
    order, kind = "<" if pixels.little_endian else ">", "i" if pixels.signed else "u"
    raw = PixelReader(Limits()).raw_pixels(header)
    frame = np.frombuffer(raw, f"{order}{kind}{pixels.bits_allocated // 8}").reshape(pixels.rows, pixels.columns)
    stored, has_high_bits = plain_pixels.put_right(frame, header)
    return plain_pixels.to_hounsfield(stored, header, POLICY.hounsfield.padding_hu), has_high_bits


forms = st.fixed_dictionaries(
    {
        "transfer_syntax": st.sampled_from([ExplicitVRLittleEndian, ExplicitVRBigEndian]),
        "signed": st.booleans(),
        "bits_stored": st.integers(11, 16),
        "slope": st.sampled_from([1, 2, 0.37]),
        "intercept": st.sampled_from([0, -1024, -1000.5]),
        "seed": st.integers(0, 9),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    forms,
    st.none() | st.sampled_from([0, -2000, 63536 - 65536]),
    st.integers(0, 12),
    st.none() | st.sampled_from([18.0, 30.0]),
    st.sampled_from([0, 0x8000]),
)
def test_planes_and_facts_are_those_of_a_volume_read_whole(
    tmp_path: Path, form: dict[str, Any], padding: int | None, rim: int, diameter: float | None, dirt: int
) -> None:
    rng = np.random.default_rng(rim)

    def change(dataset: Dataset, z: int) -> None:
        order = ">" if form["transfer_syntax"] == ExplicitVRBigEndian else "<"
        pixels = np.frombuffer(dataset.PixelData, f"{order}{'i' if form['signed'] else 'u'}2").reshape(32, 32).copy()
        if padding is not None and (form["signed"] or padding >= 0):
            dataset.PixelPaddingValue = padding
            pixels[:rim] = padding
            pixels[20, rng.integers(0, 32, 9)] = padding
        if z == 1:
            stray = (rng.random(pixels.shape) < 0.1) & (pixels != padding)
            pixels.view(f"{order}u2")[stray] ^= dirt
        if diameter:
            dataset.ReconstructionDiameter = diameter
        dataset.PixelData = pixels.tobytes()

    stack = stack_of(write_series(tmp_path / "s", n=4, change=change, **form))
    plain, high_bits = zip(*(plain_slice(header) for header in stack.slices), strict=True)
    source = SliceSource(stack, POLICY)
    for k in (2, 0, 3, 1):
        plane = source.plane(k)
        np.testing.assert_array_equal(plane.hu, plain[k].hu)
        np.testing.assert_array_equal(True if plane.valid is None else plane.valid, plain[k].measured)
    facts = source.facts()
    volume = volume_of(np.array([each.hu for each in plain]), np.array([each.measured for each in plain]))
    assert facts.features == features_of(volume)
    assert facts.histogram.first_bin_hu == histogram_of(volume).first_bin_hu
    np.testing.assert_array_equal(facts.histogram.counts, histogram_of(volume).counts)
    expected = {
        SeriesWarning.W_HIGH_BITS: any(high_bits),
        SeriesWarning.W_PADDING: any(p.has_odd_padding for p in plain),
    }
    assert facts.warnings == {warning for warning, holds in expected.items() if holds}


def test_a_volume_is_the_truth_in_the_order_of_the_normal(tmp_path: Path) -> None:
    series = write_series(tmp_path, n=4)
    source = SliceSource(build_stack(headers_of(*(series.paths[z] for z in (2, 0, 3, 1)))), POLICY)
    voxels, measured, facts = read_all(source)
    np.testing.assert_array_equal(voxels, series.truth)
    assert measured.all()
    assert source.geometry == series.geometry
    assert facts.warnings == frozenset()


def test_each_slice_has_its_own_rescale(tmp_path: Path) -> None:
    def change(dataset: Dataset, z: int) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = 1 + z, -1000 - z

    series = write_series(tmp_path, n=3, change=change)
    source = SliceSource(stack_of(series), POLICY)
    stored = series.truth.astype(int) + 1024
    for z in range(3):
        np.testing.assert_array_equal(source.plane(z).hu, stored[z] * (1 + z) - 1000 - z)


def test_frames_are_ordered_by_place_and_never_by_number(tmp_path: Path) -> None:
    series = write_series(tmp_path / "series", n=4)
    path = join_frames(series, tmp_path / "enhanced", order=(2, 0, 3, 1))
    voxels, _, _ = read_all(SliceSource(build_stack(headers_of(path)), POLICY))
    np.testing.assert_array_equal(voxels, series.truth)


def test_what_single_slices_give_cause_to_warn_of_is_told_once(tmp_path: Path) -> None:
    def dirty(dataset: Dataset, z: int) -> None:
        if z == 1:
            pixels = np.frombuffer(dataset.PixelData, "<u2") | 0x8000
            dataset.PixelData = pixels.astype("<u2").tobytes()

    series = write_series(tmp_path, n=3, change=dirty)
    voxels, _, facts = read_all(SliceSource(stack_of(series), POLICY))
    assert facts.warnings == {SeriesWarning.W_HIGH_BITS}
    np.testing.assert_array_equal(voxels, series.truth)


def test_what_is_found_does_not_depend_on_the_order_in_which_slices_are_read(tmp_path: Path) -> None:
    stack = stack_of(write_series(tmp_path, n=5, slope=0.37))
    backwards = SliceSource(stack, POLICY)
    for k in reversed(range(5)):
        backwards.plane(k)
    assert facts_of(stack).features == backwards.facts().features
    assert facts_of(stack).pixel_hashes == backwards.facts().pixel_hashes


def test_facts_are_of_every_slice_also_of_those_that_nobody_asked_for(tmp_path: Path) -> None:
    stack = stack_of(write_series(tmp_path, n=3))
    source = SliceSource(stack, POLICY)
    source.plane(1)
    assert source.unread == [0, 2]
    assert source.facts().features == facts_of(stack).features
    assert source.unread == []


def test_a_slice_that_is_read_again_counts_once(tmp_path: Path) -> None:
    stack = stack_of(write_series(tmp_path, n=3))
    source = SliceSource(stack, POLICY)
    first, again = source.plane(1), source.plane(1)
    np.testing.assert_array_equal(first.hu, again.hu)
    assert source.facts().features == facts_of(stack).features
    np.testing.assert_array_equal(source.facts().histogram.counts, facts_of(stack).histogram.counts)


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    series = write_series(tmp_path, n=3)
    stack = stack_of(series)
    series.paths[2].unlink()
    source = SliceSource(stack, POLICY)
    source.plane(0)
    with pytest.raises(SeriesRefusedError) as caught:
        source.plane(2)
    assert caught.value.reason is Reason.UNREADABLE


def test_neighbours_that_repeat_are_counted_whatever_their_padding(tmp_path: Path) -> None:
    hu = np.random.default_rng(0).integers(-900, 900, (5, 8, 8)).astype(np.int16)
    hu[3] = hu[2]
    assert facts_of(stack_of(write_series(tmp_path / "a", hu=hu))).features["repeated_slices"] == 1


def test_hashes_tell_slices_apart_and_do_not_depend_on_how_they_are_written(tmp_path: Path) -> None:
    forms = {
        "native": {},
        "rle": {"transfer_syntax": RLELossless, "patient_id": "P-2"},
        "signed": {"signed": True, "bits_stored": 16, "intercept": 0},
    }
    native, rle, signed = (
        facts_of(stack_of(write_series(tmp_path / name, n=3, **form)))  # type: ignore[arg-type]
        for name, form in forms.items()
    )
    assert native.pixel_hashes == rle.pixel_hashes != signed.pixel_hashes
    assert native.hu_hashes == rle.hu_hashes == signed.hu_hashes
    assert len(set(native.pixel_hashes)) == len(set(native.hu_hashes)) == 3


READ_AFTER_WARMING = """
import sys
from pathlib import Path
sys.path.append(sys.argv[1])
from pipeline.kernels import flood_fill, slices
from pipeline.dicom.pixels.hounsfield import SliceSource
from pipeline.dicom.policy import Policy
from pipeline.dicom.stack.stack import build_stack
from stored_slices import headers_of, read_all
slices.warm(), flood_fill.warm()
loops = [each for module in (flood_fill, slices) for each in vars(module).values() if hasattr(each, "signatures")]
warm = [len(loop.signatures) for loop in loops]
SliceSource(build_stack(headers_of(*Path(sys.argv[2]).iterdir())), Policy()).facts()
assert len(loops) > 9
assert warm == [len(loop.signatures) for loop in loops]
"""


def test_no_loop_is_compiled_for_a_series_after_warming(tmp_path: Path) -> None:
    def padded(dataset: Dataset, _: int) -> None:
        pixels = np.frombuffer(dataset.PixelData, "<u2").reshape(32, 32).copy()
        pixels[:5] = 0
        dataset.PixelData, dataset.PixelPaddingValue, dataset.ReconstructionDiameter = pixels.tobytes(), 0, 18

    write_series(tmp_path, n=3, change=padded)
    tests = str(Path(__file__).parents[2] / "support")
    subprocess.run([sys.executable, "-c", READ_AFTER_WARMING, tests, str(tmp_path)], check=True)
