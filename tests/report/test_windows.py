import numpy as np
import pytest

from pipeline.report.windows import BONE, BRAIN, LUNG, SOFT_TISSUE, DisplayWindow, StoredScale, hu_line, windows_for


def names(planes: list[np.ndarray]) -> list[str]:
    return [window.name for window in windows_for(planes, in_hu=True)]


def test_a_chest_gets_the_lung_window_first_and_a_leg_on_a_mat_that_of_soft_tissue() -> None:
    chest = np.full((40, 40), 40, np.float32)
    chest[10:30, 12:20] = -800
    leg = np.full((40, 40), 40, np.float32)
    leg[32:] = -800
    leg[0, 0] = chest[0, 0] = -1000
    leg[0, 1] = chest[0, 1] = 1200
    assert names([chest]) == [LUNG.name, SOFT_TISSUE.name, BONE.name]
    assert names([leg]) == [SOFT_TISSUE.name, BRAIN.name, BONE.name]


def test_values_clipped_below_bone_have_no_window_for_it() -> None:
    clipped = np.linspace(-1000, 400, 1600, dtype=np.float32).reshape(40, 40)
    assert BONE.name not in names([clipped])


def test_a_window_is_no_wider_than_what_the_values_were_clipped_to() -> None:
    window = windows_for([np.float32([[-5, 40, 100]])], in_hu=True)[0]
    assert (window.low, window.high) == (-5, 100)


def test_a_window_that_no_value_lies_in_stays_as_it_is() -> None:
    assert windows_for([np.full((4, 4), 900, np.float32)], in_hu=True)[0] == SOFT_TISSUE


def test_values_without_a_way_back_are_shown_between_their_own_extremes() -> None:
    (window,) = windows_for([np.linspace(-2, 2, 1000, dtype=np.float32).reshape(20, 50)], in_hu=False)
    assert (window.name, window.slug, window.unit) == ("stored values", "stored-values", "")
    assert -2 <= window.low < -1.5
    assert 1.5 < window.high <= 2


def test_values_of_one_number_still_have_a_window() -> None:
    (window,) = windows_for([np.zeros((4, 4), np.float32)], in_hu=False)
    assert window.low < window.high


def test_grey_runs_from_black_to_white_and_stays_there() -> None:
    values = np.float32([-200, 0, 50, 100, 900])
    assert DisplayWindow("any", 0, 100).grey(values).tolist() == [0, 0, 128, 255, 255]


def test_packed_integers_stand_for_what_their_scale_and_offset_say() -> None:
    packed = np.int16([0, 10])
    packing = {"scale_factor": 0.5, "add_offset": -1.0}
    assert StoredScale.of({"units": "HU"}, packing).values(packed).tolist() == [-1, 4]
    assert StoredScale.of({"units": "HU"}, {}).values(packed).tolist() == [0, 10]
    inverse = {"units": "normalised", "inverse": {"a": 2.0, "b": 1.0}}
    assert StoredScale.of(inverse, packing).values(packed).tolist() == [-1, 9]


def test_the_way_back_to_hounsfield_units_is_that_of_the_first_channel() -> None:
    line = {"a": 2.0, "b": -5.0}
    assert hu_line({"units": "HU"}) == (1, 0)
    assert hu_line({"units": "normalised", "inverse": line}) == (2, -5)
    assert hu_line({"units": "normalised", "inverse": [line, None]}) == (2, -5)
    assert hu_line({"units": "normalised", "inverse": [None, line]}) is None
    assert hu_line({"units": "normalised"}) is None


@pytest.mark.parametrize("window", [LUNG, SOFT_TISSUE, BRAIN, BONE], ids=lambda window: window.slug)
def test_a_windows_slug_is_fit_for_a_file_name(window: DisplayWindow) -> None:
    assert window.slug.replace("-", "").isalpha()
