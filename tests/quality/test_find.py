import pytest
from headers import changed, slice_at
from scanned import facts_of, scan_of, scanned

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.elements import Observation
from pipeline.geometry import Xyz
from pipeline.quality.findings import Finding, findings_of
from pipeline.scan.census import Census
from pipeline.scan.series import Scan
from pipeline.vocabulary import Reason

JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


def series(n: int = 12, **changes: object) -> list[SliceHeader]:
    """Return slices without fault whose SliceLocation is their position, changed alike."""
    slices = [slice_at(z, plane={"slice_location": z * 2.5}, elements={"PatientPosition": "HFS"}) for z in range(n)]
    return [changed(one, **changes) for one in slices]


def findings_in(scan: Scan) -> list[Finding]:
    return findings_of(scan.unassigned, scan.count_elements(), map(facts_of, scan.series))


def reversed_in(slices: list[SliceHeader], part: str, name: str) -> list[SliceHeader]:
    values = [getattr(getattr(one, part), name) for one in reversed(slices)]
    return [changed(one, **{part: {name: value}}) for one, value in zip(slices, values, strict=True)]


@pytest.fixture(scope="module")
def osic() -> dict[str, Finding]:
    """Find what is odd in a cohort with the oddities of OSIC's."""
    census = Census()
    body, position = (Observation("0018,0015", "BodyPartExamined", "CS", "Chest", "Chest"),), "PatientPosition"
    census.count(body, [(("p", "t", "s"), [0])] * 5)
    lying = {f"lying {kind}": series(elements={position: kind}) for kind in ("FFS", "HFP", "FFP")}
    spacings = [changed(one, plane={"row_spacing": 0.8 + z / 100}) for z, one in enumerate(series())]
    cohort = {
        "sound": series(),
        "long": series(1018),
        **{f"nowhere {n}": series(plane={"position": None}) for n in range(3)},
        "type": series(identity={"image_type": ("1",)}),
        "location": reversed_in(series(), "plane", "slice_location"),
        "US": series(rescale={"kind": "US"}),
        "UNSPECIFIED": series(rescale={"kind": "UNSPECIFIED"}),
        "spacings": spacings,
        "packed": series(pixels={"transfer_syntax": JPEG_LOSSLESS}),
        "cut": series(refusal=(Reason.CORRUPT, "cut")),
        **lying,
    }
    scan = scan_of(*(scanned(key, slices) for key, slices in cohort.items()), census=census)
    return {finding.code: finding for finding in findings_in(scan)}


@pytest.mark.parametrize(
    ("code", "keys"),
    [
        ("POSITION_MISSING", ("nowhere 0", "nowhere 1", "nowhere 2")),
        ("IMAGE_TYPE", ("type",)),
        ("LOCATION_OPPOSITE", ("location",)),
        ("PATIENT_POSITION", ("lying FFP", "lying FFS", "lying HFP")),
        ("RESCALE_TYPE", ("UNSPECIFIED", "US")),
        ("SPACING_VARIES", ("spacings",)),
        ("COMPRESSED", ("packed",)),
        ("DAMAGED", ("cut",)),
    ],
)
def test_each_oddity_of_a_cohort_is_named_with_its_series(
    osic: dict[str, Finding], code: str, keys: tuple[str, ...]
) -> None:
    assert osic[code].series_keys == keys


def test_three_patients_without_position_are_reported_as_such(osic: dict[str, Finding]) -> None:
    assert "3 series of 15, of 3 patients" in osic["POSITION_MISSING"].detail


def test_what_is_odd_of_the_cohort_as_a_whole_is_reported(osic: dict[str, Finding]) -> None:
    assert osic["SLICE_COUNT"].detail.startswith("From 12 to 1018 slices")
    assert osic["CONSTANT"].detail == "BodyPartExamined."


def test_a_sound_series_gives_no_cause(osic: dict[str, Finding]) -> None:
    assert not any("sound" in finding.series_keys for finding in osic.values())
    assert findings_in(scan_of(scanned("sound", series()))) == []


@pytest.mark.parametrize(
    ("code", "slices"),
    [
        ("INSTANCE_OPPOSITE", [changed(one, instance_number=99 - z) for z, one in enumerate(series())]),
        ("INSTANCE_UNORDERED", [changed(one, instance_number=z % 5) for z, one in enumerate(series())]),
        ("NAMES_OPPOSITE", series()[::-1]),
        ("NAMES_UNORDERED", series()[::2] + series()[1::2]),
        ("RESCALE_VARIES", [changed(one, rescale={"slope": 1 + z}) for z, one in enumerate(series())]),
        ("ORIGIN_MOVES", [changed(one, plane={"position": Xyz(z, 0, z * 2.5)}) for z, one in enumerate(series())]),
        ("SPARSE", series(plane={"thickness": 1.0})),
        ("OVERLAP", series(plane={"thickness": 5.0})),
    ],
)
def test_each_oddity_of_a_series_is_found(code: str, slices: list[SliceHeader]) -> None:
    assert code in {finding.code for finding in findings_in(scan_of(scanned("odd", slices)))}
