import numpy as np
import pytest
from headers import SOUND, changed
from numpy.typing import NDArray

from pipeline.dicom.headers.maps import find_kinds, is_map
from pipeline.dicom.pixels.plausible import check_map_values

FIRST_HU, N_BINS = -1100, 3000


def spread(low_hu: int, high_hu: int, n_voxels: int) -> NDArray[np.int64]:
    """Return a histogram of values that lie evenly between two."""
    counts = np.zeros(N_BINS, np.int64)
    counts[low_hu - FIRST_HU : high_hu - FIRST_HU] = max(1, n_voxels // (high_hu - low_hu))
    return counts


def at(hu: int, n_voxels: int) -> NDArray[np.int64]:
    return spread(hu, hu + 1, n_voxels)


VALUES = {
    "body in air": spread(-1010, -990, 40_000) + spread(-980, -150, 5_000) + spread(-120, 80, 50_000),
    "head without air": spread(-60, 100, 90_000) + spread(300, 1500, 10_000),
    "water": spread(-20, 20, 90_000),
    "0 to 80": at(0, 50_000) + spread(1, 80, 30_000),
    "0 to 80 beside -1024": at(-1024, 50_000) + spread(0, 80, 30_000),
    "0 to 80 resampled beside -1024": at(-1024, 50_000) + spread(-1000, 0, 1_000) + spread(0, 80, 30_000),
    "noise around 0": spread(-150, 150, 90_000),
    "7 to 20": at(0, 10_000) + spread(6, 20, 50_000),
}

AXIAL, DERIVED = ["ORIGINAL", "PRIMARY", "AXIAL"], ["DERIVED", "SECONDARY", "AXIAL"]
MAPS = [
    # ImageType, SeriesDescription, RescaleType, values
    ([*DERIVED, "CBF"], "RESULT", "US", "0 to 80"),
    ([*DERIVED, "CBV"], "", "", "0 to 80"),
    ([*DERIVED, "MTT"], "", "HU", "0 to 80"),
    ([*DERIVED, "RCBF"], "", "US", "noise around 0"),
    ([*DERIVED, "TTP"], "", "UNSPECIFIED", "0 to 80 beside -1024"),
    ([*DERIVED, "TMAX"], "", "US", "body in air"),
    (["DERIVED", "PRIMARY", "PERFUSION", "CBF"], "", "", "0 to 80"),
    (["DERIVED", "PRIMARY", "PERFUSION", "NONE"], "", "US", "0 to 80"),
    (["DERIVED", "PRIMARY", "AXIAL", "CT_SOM5 NEURO", "CBV"], "", "", "0 to 80"),
    (["DERIVED", "SECONDARY", "PERFUSION", "KTRANS"], "", "US", "0 to 80"),
    (["DERIVED", "SECONDARY", "OTHER", "BLOOD_FLOW"], "", "US", "0 to 80"),
    ([*DERIVED, "GSI MD IODINE"], "", "", "0 to 80"),
    ([*DERIVED, "GSI MD"], "Water(Iodine)", "", "0 to 80"),
    ([*DERIVED, "IODINE"], "Iodine map", "HU", "noise around 0"),
    ([*DERIVED, "IODINE"], "MONO 70 KEV", "", "0 to 80"),
    (["DERIVED", "PRIMARY", "AXIAL", "SPECTRAL", "IODINE_DENSITY"], "", "US", "0 to 80"),
    (["DERIVED", "PRIMARY", "AXIAL", "Z_EFF"], "", "US", "7 to 20"),
    (["DERIVED", "PRIMARY", "AXIAL", "EFF_ATOMIC_NUM"], "", "HU", "7 to 20"),
    (["DERIVED", "PRIMARY", "AXIAL", "ELECTRON_DENSITY"], "", "", "0 to 80"),
    (["DERIVED", "PRIMARY", "AXIAL", "MAT_FRACTIONAL"], "", "HU", "0 to 80"),
    (["DERIVED", "PRIMARY", "AXIAL", "MAT_SPECIFIC"], "", "US", "body in air"),
    (["DERIVED", "PRIMARY", "AXIAL", "MAT_SPECIFIC"], "", "HU", "noise around 0"),
    ([*DERIVED, "WATER"], "", "US", "0 to 80"),
    (["ORIGINAL", "PRIMARY", "AXIAL", "IODINE"], "", "HU", "0 to 80"),
    # only the description names it
    (DERIVED, "CBF", "US", "0 to 80"),
    (DERIVED, "rCBV [ml/100ml]", "", "0 to 80 beside -1024"),
    (DERIVED, "RAPID Tmax[s]", "US", "0 to 80"),
    (DERIVED, "CBV MPR", "HU", "0 to 80 resampled beside -1024"),
    (DERIVED, "RAPID: MTT Color", "", "0 to 80"),
    (DERIVED, "Perfusion TTP", "", "0 to 80"),
    (DERIVED, "CT Perfusion 4D: Blood Volume", "HU", "0 to 80"),
    (DERIVED, "time-to-peak", "", "0 to 80"),
    (DERIVED, "VPCT perfusion", "US", "0 to 80"),
    (DERIVED, "Iodine Density [mg/ml]", "", "0 to 80"),
    (DERIVED, "Iodine no Water[mg/ml]", "", "0 to 80"),
    (DERIVED, "MD:Iodine (Water)", "US", "0 to 80"),
    (DERIVED, "Lung PBV", "HU", "noise around 0"),
    (DERIVED, "Iod 1.5 D30f", "HU", "noise around 0"),
    (DERIVED, "Z Effective", "", "7 to 20"),
    (DERIVED, "Eff-Z", "US", "7 to 20"),
    (DERIVED, "Rho/Z", "", "7 to 20"),
    (DERIVED, "Electron Density [%EDW]", "US", "0 to 80"),
    (DERIVED, "Fat fraction", "", "0 to 80"),
    (DERIVED, "FatFraction Liver", "US", "0 to 80"),
    (DERIVED, "water map", "", "0 to 80"),
    (DERIVED, "Iodine map phantom QA", "US", "0 to 80"),
    (AXIAL, "CBF", "HU", "0 to 80"),
    (AXIAL, "TMAX", "", "0 to 80"),
    (AXIAL, "Iodine map", "US", "0 to 80"),
    ([], "MTT", "", "0 to 80"),
    # nothing names it
    (DERIVED, "RESULT", "US", "0 to 80"),
    (DERIVED, "", "", "0 to 80"),
]
SCANS = [
    (AXIAL, "AXIAL STD", "HU", "body in air"),
    (AXIAL, "AXIAL STD", "US", "body in air"),
    (AXIAL, "", "", "head without air"),
    (DERIVED, "MPR COR", "", "head without air"),
    (AXIAL, "WATER IODINE PHANTOM QA", "HU", "water"),
    (AXIAL, "WATER PHANTOM", "US", "water"),
    (DERIVED, "WATER PHANTOM MPR", "HU", "water"),
    (AXIAL, "Water 120 kV", "HU", "water"),
    (AXIAL, "IODINE CONTRAST", "HU", "head without air"),
    (AXIAL, "IODINE CONTRAST", "", "body in air"),
    (DERIVED, "IODINE CONTRAST MPR", "HU", "body in air"),
    (AXIAL, "HEAD W/O CONTRAST", "US", "head without air"),
    (AXIAL, "ABD WATER ORAL", "", "body in air"),
    (AXIAL, "BONE DENSITY L-SPINE", "HU", "body in air"),
    (AXIAL, "CTP source", "", "body in air"),
    (AXIAL, "perfusion 4D raw", "US", "body in air"),
    (AXIAL, "Perfusion CBF CBV protocol", "HU", "body in air"),
    (AXIAL, "NeuroPCT 1.5 H20f", "HU", "head without air"),
    (AXIAL, "VPCT perfusion", "HU", "head without air"),
    (DERIVED, "CTP source MPR", "", "body in air"),
    (["ORIGINAL", "PRIMARY", "PERFUSION", "NONE"], "", "HU", "head without air"),
    (["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"], "", "HU", "body in air"),
    (["ORIGINAL", "PRIMARY", "AXIAL", "HELIX"], "", "", "body in air"),
    (["DERIVED", "PRIMARY", "AXIAL", "CT_SOM7 MPR", "DET_AB"], "DE_COMP", "HU", "body in air"),
    ([*DERIVED, "VNC"], "AXIAL STD", "HU", "body in air"),
    ([*DERIVED, "VNC"], "VNC", "", "head without air"),
    ([*DERIVED, "DE_LIVER_VNC"], "Liver VNC", "HU", "body in air"),
    (DERIVED, "VNC (iodine removed)", "HU", "body in air"),
    (DERIVED, "VUE", "", "head without air"),
    ([*DERIVED, "MONO_70KEV"], "MONO 70 KEV", "HU", "body in air"),
    ([*DERIVED, "GSI MONO"], "Mono 70 keV", "", "head without air"),
    (DERIVED, "MonoE 40keV [HU]", "", "head without air"),
    ([*DERIVED, "VMI"], "", "HU", "head without air"),
    ([*DERIVED, "MAT_REMOVED"], "", "HU", "body in air"),
    ([*DERIVED, "MAT_MODIFIED"], "", "", "body in air"),
    ([*DERIVED, "MAT_SPECIFIC"], "", "HU_MOD", "body in air"),
    (DERIVED, "Virtual Non-Contrast", "HU", "head without air"),
    (DERIVED, "Calcium Suppression Index 50 [HU*]", "HU", "body in air"),
    (DERIVED, "MIP THIN", "US", "head without air"),
    (DERIVED, "THORAX 1.0 B70f", "", "body in air"),
    ([], "", "", "body in air"),
]


def judge(image_type: list[str], description: str, rescale_type: str, values: str) -> str:
    identity = {"image_type": tuple(image_type), "described_kinds": find_kinds(description)}
    header = changed(SOUND, identity=identity, rescale={"kind": rescale_type})
    return "map" if is_map(header) or check_map_values([header], FIRST_HU, VALUES[values]) else "scan"


@pytest.mark.parametrize(("image_type", "description", "rescale_type", "values"), MAPS)
def test_a_map_is_refused(image_type: list[str], description: str, rescale_type: str, values: str) -> None:
    assert judge(image_type, description, rescale_type, values) == "map"


@pytest.mark.parametrize(("image_type", "description", "rescale_type", "values"), SCANS)
def test_a_scan_is_none(image_type: list[str], description: str, rescale_type: str, values: str) -> None:
    assert judge(image_type, description, rescale_type, values) == "scan"


def test_a_series_without_a_valid_voxel_is_judged_by_other_checks() -> None:
    header = changed(SOUND, identity={"image_type": tuple(DERIVED)}, rescale={"kind": ""})
    assert check_map_values([header], 0, np.zeros(3, np.int64)) is None
