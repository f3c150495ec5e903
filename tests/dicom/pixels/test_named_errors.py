from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slices import header

from pipeline.dicom.headers.slice import Pixels, Rescale
from pipeline.dicom.pixels.plausible import (
    KNOWN_ERRORS,
    SIGN,
    TWELVE_BITS,
    Rescaling,
    find_error,
    is_eight_bit,
    score_values,
)

SCANNER = Rescaling(slope=1, intercept=-1024, signed=False, bits_stored=12)
UNSIGNED = Rescaling(slope=1, intercept=0, signed=False, bits_stored=16)
SIGNED = Rescaling(slope=1, intercept=0, signed=True, bits_stored=16)
READINGS = (SCANNER, UNSIGNED, SIGNED, Rescaling(slope=1, intercept=-1000, signed=True, bits_stored=16))

N = 20_000
BODIES: dict[str, dict[float, float]] = {
    "chest": {-1000: 0.3, -820: 0.25, -100: 0.15, 45: 0.25, 600: 0.05},
    "head": {-1000: 0.5, -90: 0.05, 10: 0.1, 38: 0.25, 1100: 0.1},
    "abdomen": {-1000: 0.25, -105: 0.35, 55: 0.35, 400: 0.05},
    "cropped liver": {60: 0.9, 110: 0.1},
    "zoomed knee": {-100: 0.25, 50: 0.35, 350: 0.2, 1200: 0.2},
    "temporal bone": {-1000: 0.1, 40: 0.35, 900: 0.2, 1800: 0.35},
    "lung alone": {-1000: 0.15, -850: 0.8, 40: 0.05},
    "air": {-1000: 1.0},
    "water phantom in air": {-1000: 0.4, 0: 0.6},
    "water phantom without air": {0: 1.0},
    "metal in a water phantom": {-1000: 0.3, 0: 0.6, 3000: 0.1},
    "metal in a water phantom without air": {0: 0.9, 3000: 0.1},
    "rods of Teflon and bone in water": {-1000: 0.05, 0: 0.7, 450: 0.1, 990: 0.15},
    "aluminium block": {-1000: 0.5, 2200: 0.5},
    "Teflon block": {-1000: 0.5, 990: 0.5},
    "inside of a Teflon block": {990: 1.0},
    "shaft of a femur, zoomed": {-60: 0.3, 40: 0.4, 1000: 0.1, 1300: 0.2},
    "temporal bone without air": {40: 0.55, 700: 0.15, 1100: 0.1, 1800: 0.2},
}
"""What may lie in a field of view: the share of each value in HU."""

SEEN = [
    pytest.param(body, reading, id=f"{name}, intercept {reading.intercept}, signed {reading.signed}")
    for name, body in BODIES.items()
    for reading in READINGS
    if reading.signed or min(body) >= reading.intercept
]
"""What a scanner can write: unsigned values hold nothing below their intercept."""


def voxels(body: dict[float, float], noise_hu: float = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    means = rng.choice(list(body), N, p=list(body.values()))
    return np.rint(np.clip(means + rng.normal(0, noise_hu, N), -1024, 3071))


def told(values: np.ndarray, reading: Rescaling) -> str | None:
    hu, counts = np.unique(values, return_counts=True)
    found = find_error(hu.astype(np.float64), counts, reading)
    return found[0].words if found else None


@pytest.mark.parametrize(("body", "reading"), SEEN)
@given(noise_hu=st.floats(0, 80), seed=st.integers(0, 1000))
@settings(max_examples=8)
def test_no_error_is_named_in_what_a_scanner_may_see(
    body: dict[float, float], reading: Rescaling, noise_hu: float, seed: int
) -> None:
    hu = voxels(body, noise_hu, seed)
    lowest = reading.intercept if not reading.signed else -32768
    assert told(np.maximum(hu, lowest), reading) is None


@pytest.mark.parametrize("name", ["chest", "head", "abdomen", "water phantom in air", "zoomed knee"])
def test_signed_values_labelled_unsigned_are_named(name: str) -> None:
    hu = voxels(BODIES[name])
    assert told(np.where(hu < 0, hu + 65536, hu), UNSIGNED) == "signed values are labelled unsigned"


@pytest.mark.parametrize("name", ["chest", "head", "abdomen", "water phantom in air"])
def test_values_that_wrapped_at_12_bits_are_named(name: str) -> None:
    hu = voxels(BODIES[name])
    reading = replace(UNSIGNED, bits_stored=12)
    assert told(np.where(hu < 0, hu + 4096, hu), reading) == "values wrapped around at 12 bits"


@pytest.mark.parametrize("name", ["chest", "head", "abdomen", "water phantom in air"])
@pytest.mark.parametrize("reading", [UNSIGNED, SIGNED], ids=str)
def test_a_forgotten_intercept_is_named(name: str, reading: Rescaling) -> None:
    words = "stored values are taken for HU, the intercept was forgotten"
    assert told(voxels(BODIES[name]) + 1024, reading) == words


@pytest.mark.parametrize("name", ["chest", "head", "abdomen", "water phantom in air"])
def test_values_rescaled_twice_are_named(name: str) -> None:
    assert told(voxels(BODIES[name]) - 1024, replace(SCANNER, signed=True)) == "values were rescaled twice"


def test_the_figures_are_told() -> None:
    hu, counts = np.unique(voxels(BODIES["water phantom in air"], 0) + 1024, return_counts=True)
    found = find_error(hu, counts, UNSIGNED)
    assert found is not None
    assert found[1].endswith(": a score of 0.39 as read, and of 1.39 without the error")


@given(st.lists(st.tuples(st.integers(-4000, 70000), st.integers(1, 1000)), min_size=1, max_size=30))
@settings(max_examples=60)
def test_a_score_lies_between_nothing_and_one_and_a_half(bins: list[tuple[int, int]]) -> None:
    hu, counts = (np.array(column) for column in zip(*bins, strict=True))
    assert 0 <= score_values(hu.astype(np.float64), counts) <= 1.5


def test_an_image_converted_to_8_bits_is_known_by_the_codes_that_it_fills() -> None:
    codes, counts = np.arange(255.0), np.ones(255, np.int64)
    assert is_eight_bit(codes - 1024, counts, SCANNER)
    assert is_eight_bit(codes * 2 - 100, counts, Rescaling(slope=2, intercept=-100, signed=True, bits_stored=16))
    assert not is_eight_bit(codes - 1023, counts, SCANNER)
    assert not is_eight_bit(codes, counts, SCANNER)
    assert not is_eight_bit(codes[:200] - 1024, counts[:200], SCANNER)
    assert not is_eight_bit(codes[::2] - 1024, counts[::2], SCANNER)


def test_slices_read_alike_have_one_reading_and_others_none() -> None:
    first = replace(
        header("1", None), rescale=Rescale(slope=2, intercept=-1024), pixels=Pixels(signed=True, bits_stored=16)
    )
    assert Rescaling.of([first, first]) == Rescaling(slope=2, intercept=-1024, signed=True, bits_stored=16)
    assert Rescaling.of([first, replace(first, rescale=Rescale(slope=1, intercept=-1024))]) is None


@pytest.mark.parametrize(("unwrap", "low", "high"), [(SIGN, -32768, 32767), (TWELVE_BITS, -1200, 2895)])
def test_unwrapping_gives_every_value_back(unwrap: object, low: int, high: int) -> None:
    assert unwrap in {error.unwrap for error in KNOWN_ERRORS}
    values = np.arange(low, high + 1)
    repair = SIGN if unwrap is SIGN else TWELVE_BITS
    assert np.array_equal(repair.values(values % repair.period), values)
    assert np.array_equal(repair.values(repair.values(values % repair.period)), values)


def test_padding_moves_with_the_pixels() -> None:
    padded = replace(header("1", None), rescale=Rescale(padding=63536, padding_limit=100))
    assert (SIGN.header(padded).rescale.padding, SIGN.header(padded).rescale.padding_limit) == (-2000, 100)
    assert SIGN.header(header("1", None)) == header("1", None)
    assert SIGN.trail == {"step": "unwrap", "parameters": {"from": 32768, "subtract": 65536}}
