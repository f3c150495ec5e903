from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from slices import axial

from pipeline.config import load
from pipeline.dicom.headers.slice import Series
from pipeline.dicom.select.options import SelectOptions
from pipeline.dicom.select.rules import check_selection
from pipeline.errors import ConfigError


def series(**elements: Any) -> Series:
    return Series(("uid",), tuple(replace(header, elements=elements) for header in axial(range(3))))


def test_a_series_may_stay_where_no_rule_speaks_against_it() -> None:
    assert check_selection(series(), SelectOptions()) is None


def test_every_rule_of_where_must_agree() -> None:
    options = SelectOptions(where={"BodyPartExamined": "CHEST", "KVP": {"min": 100}})
    assert check_selection(series(BodyPartExamined="CHEST", KVP=120.0), options) is None
    assert check_selection(series(BodyPartExamined="CHEST", KVP=80.0), options) == "where: KVP is not as asked"
    assert check_selection(series(KVP=120.0), options) == "where: BodyPartExamined is not as asked"


def test_an_objection_tells_no_value_of_a_header() -> None:
    objection = check_selection(series(PatientID="SECRET-1"), SelectOptions(where={"PatientID": "SECRET-2"}))
    assert objection is not None
    assert "SECRET" not in objection


def test_the_rule_on_derived_images_is_named() -> None:
    derived = series()
    slices = [replace(one, identity=replace(one.identity, image_type=("DERIVED",))) for one in derived.slices]
    objection = check_selection(replace(derived, slices=tuple(slices)), SelectOptions(derived="none"))
    assert objection == "derived: none leaves out images that are not ORIGINAL"


def test_the_elements_that_rules_look_at_are_known() -> None:
    options = SelectOptions(where={"KVP": 120}, prefer=("thinnest", {"ConvolutionKernel": ["B30f"]}))
    assert options.keywords == {"KVP", "ConvolutionKernel"}
    assert "StudyDate" in SelectOptions(prefer=("earliest",)).keywords


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"where": {"Kernel": "B30f"}}, "where: Kernel is no DICOM keyword"),
        ({"where": {"ConvolutionKernal": "B30f"}}, "did you mean ConvolutionKernel?"),
        ({"where": {"KVP": {"min": 120, "max": 80}}}, "where: KVP: min and max must be numbers, min not above max"),
        ({"where": {"KVP": None}}, "where: KVP: allowed are a value"),
        ({"prefer": ({"Kernel": ["B30f"]},)}, "prefer: Kernel is no DICOM keyword"),
        ({"prefer": ({"KVP": []},)}, "prefer: KVP: allowed are a value"),
        ({"prefer": ({"KVP": [120], "Rows": [512]},)}, "holds 2 keywords"),
        ({"min_slices": 0}, "min_slices must be at least 1"),
        ({"slice_count": 0}, "slice_count must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        SelectOptions(**options)
    assert message in str(caught.value)


def test_an_unknown_keyword_is_an_error_at_its_place_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("steps: []\nselect:\n  where: {Kernal: B30f}\n")
    with pytest.raises(ConfigError, match=r"3:3: select.where: .*Kernal is no DICOM keyword"):
        load(path, inputs=[tmp_path / "in"], output=tmp_path / "out")
