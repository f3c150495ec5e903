import pytest

from pipeline.elements import Observation, canonical
from pipeline.scan.census import Census
from pipeline.scan.tag_statistics import judge_element

UNIQUE = [f"1.2.{n}" for n in range(4)]


def census(**values: list[str | None]) -> Census:
    """Count four files of two series and patients, told as four values a keyword; None is absent."""
    counted = Census()
    for n in range(4):
        pool = [
            Observation("0000,0000", keyword, vr_of(keyword), raw, canonical(raw, vr_of(keyword)))
            for keyword, several in values.items()
            if (raw := several[n]) is not None
        ]
        counted.count(pool, [((f"p{n // 2}", f"t{n // 2}", f"s{n // 2}"), range(len(pool)))])
    return counted.trim()


def vr_of(keyword: str) -> str:
    return {"KVP": "DS", "HighBit": "US", "BitsStored": "US"}.get(keyword, "UI" if keyword.endswith("UID") else "LO")


@pytest.mark.parametrize(
    ("keyword", "values", "judgement", "why"),
    [
        ("Manufacturer", ["A", "A", "B", "B"], "keep", "constant within a patient"),
        ("SliceLocation", ["1", "2", "3", "4"], "keep", "varies from image to image"),
        ("Manufacturer", ["A", "A", "A", "A"], "drop", "constant"),
        ("Manufacturer", ["A", None, "A", "A"], "keep", "constant where present"),
        ("ScanOptions", ["", "", None, ""], "drop", "empty"),
        ("SOPInstanceUID", UNIQUE, "drop", "unique by design"),
        ("InstitutionName", ["A", "A", "B", "B"], "drop", "may identify"),
        ("private:ACME:0029,10", ["A", "A", "B", "B"], "drop", "private"),
        ("KVP", ["100", "120", "120", "120"], "look", "varies within a series"),
        ("PatientSex", ["F", "M", "M", "M"], "look", "varies within a series"),
        (
            "SOPInstanceUID",
            ["1.2", None, "1.3", ""],
            "look",
            "type 1, and absent in 1 of 4 files; type 1, and empty in 1",
        ),
        ("PixelPaddingValue", ["1", "2", "1", "1"], "keep", "varies from image to image"),
    ],
)
def test_an_element_gets_its_verdict(keyword: str, values: list[str | None], judgement: str, why: str) -> None:
    verdict = judge_element(keyword, census(**{keyword: values}))
    assert verdict.judgement == judgement
    assert why in verdict.why


def test_the_high_bit_is_redundant_beside_the_bits_stored() -> None:
    verdict = judge_element("HighBit", census(HighBit=["11", "11", "15", "15"], BitsStored=["12", "12", "16", "16"]))
    assert (verdict.judgement, verdict.why) == ("drop", "redundant: BitsStored - 1")
    odd = judge_element("HighBit", census(HighBit=["11", "11", "11", "11"], BitsStored=["12", "12", "16", "16"]))
    assert "redundant" not in odd.why


def test_a_patient_who_changes_between_studies_is_looked_at() -> None:
    counted = Census()
    for study, sex in enumerate("FM"):
        pool = [Observation("0010,0040", "PatientSex", "CS", sex, sex)]
        counted.count(pool, [(("p", f"t{study}", f"s{study}"), [0])])
    assert judge_element("PatientSex", counted).why == "varies within a patient, where it should not"


def test_an_element_that_no_file_has_is_looked_at_where_it_must_be_there() -> None:
    assert judge_element("ImageType", census(KVP=["1"] * 4)).why == "type 1, and absent in 4 of 4 files"


def test_a_cut_is_told() -> None:
    counted = census(SliceLocation=["1", "2", "3", "4"])
    tally = counted.elements["SliceLocation"].canonical
    tally.most = 2
    assert (
        "more than 2 distinct values: 2 were counted, 2 files cut" in judge_element("SliceLocation", counted.trim()).why
    )
