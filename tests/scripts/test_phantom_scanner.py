import numpy as np
import pytest
from phantom_body import Organ
from phantom_scanner import Habits, Protocol, acquire, places_mm, scan_field

PROTOCOL = Protocol.of(6, 3.0, 16, 40.0, 0.0)
BALL = (Organ("ball", 50, (20, -10, 41), (40, 30, 12)),)


@pytest.mark.parametrize("position", ["HFS", "FFS", "HFP"])
def test_slices_and_truth_agree_place_by_place(position: str) -> None:
    scan = acquire(BALL, PROTOCOL, Habits(position=position, intercept=0), np.random.default_rng(0))
    slices = places_mm(scan.affine, PROTOCOL.shape).reshape(-1, 3)
    upright = places_mm(PROTOCOL.upright, PROTOCOL.shape).reshape(-1, 3)
    order, true_order = (np.lexsort(np.round(places, 3).T) for places in (slices, upright))
    np.testing.assert_allclose(slices[order], upright[true_order], atol=1e-9)
    np.testing.assert_array_equal(scan.stored.ravel()[order], scan.true_hu.ravel()[true_order])


@pytest.mark.parametrize("position", ["HFS", "FFS", "HFP"])
def test_slices_are_in_the_order_of_their_normal(position: str) -> None:
    affine = acquire(BALL, PROTOCOL, Habits(position=position), np.random.default_rng(0)).affine
    assert np.cross(affine[:3, 2], affine[:3, 1]) @ affine[:3, 0] > 0


def test_tilted_slices_turn_about_their_middle() -> None:
    leaning = Protocol.of(6, 3.0, 16, 40.0, 20.0)
    middle = (2.5, 7.5, 7.5, 1)
    np.testing.assert_allclose(leaning.leaning @ middle, leaning.upright @ middle)
    np.testing.assert_allclose(np.linalg.norm(leaning.leaning[:3, :3], axis=0), leaning.spacing_mm)


def test_what_the_scanner_stores_stands_for_what_it_measured() -> None:
    habits = Habits(signed=False, slope=2, intercept=-2048)
    hu, everywhere = np.array([-1024.0, 0.0, 41.0, 9000.0]), np.full(4, fill_value=True)
    np.testing.assert_array_equal(habits.stored(hu, everywhere), [512, 1024, 1044, 4095])
    np.testing.assert_array_equal(habits.hu(habits.stored(hu, everywhere), everywhere), [-1024, 0, 40, 6142])


def test_what_is_not_measured_is_stored_as_padding_and_true_as_air() -> None:
    scan = acquire(BALL, PROTOCOL, Habits(padding="SS"), np.random.default_rng(0))
    assert (scan.stored[~scan.measured] == -2000).all()
    assert (scan.true_hu[~scan.measured] == -1024).all()
    assert scan.stored[scan.measured].min() > -2000


def test_no_flip_hides_in_the_scan_field() -> None:
    field = scan_field(64, 64)
    for axes in ((0,), (1,), (0, 1)):
        assert (field != np.flip(field, axes)).any()
