from pathlib import Path

import pytest
from jinja2 import UndefinedError

from pipeline.errors import OutputError
from pipeline.record import ElementValue, SeriesRecord
from pipeline.report.render import MISSING, element, figure, percent, product, public, put, render
from pipeline.vocabulary import Status


def test_a_page_that_lacks_a_value_is_an_error_not_a_hole() -> None:
    with pytest.raises(UndefinedError):
        render("figures.html.j2", root="")


def test_what_comes_from_data_is_escaped() -> None:
    rows = {"<script>": []}
    assert b"<script>" not in render("elements.html.j2", root="", modules=rows).split(b"<main")[1]


def test_a_file_is_put_into_folders_that_are_made_for_it(tmp_path: Path) -> None:
    put(tmp_path / "a/b.txt", b"1")
    assert (tmp_path / "a/b.txt").read_bytes() == b"1"


def test_a_refusal_of_the_system_is_an_error_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file, no folder")
    with pytest.raises(OutputError, match=r"cannot write b\.txt"):
        put(tmp_path / "a/b.txt", b"1")


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 0, MISSING),
        (0, 0, "0"),
        (-0.2, 0, "0"),
        (100, 0, "100"),
        (-1024, 0, "\u22121\u202f024"),
        (1234567, 0, "1\u202f234\u202f567"),
        (0.9765625, 3, "0.977"),
        (5.0, 3, "5"),
        (10.0, 1, "10"),
    ],
)
def test_a_figure_has_a_real_minus_and_no_idle_zeros(value: float | None, digits: int, text: str) -> None:
    assert figure(value, digits) == text


def test_a_product_keeps_the_order_of_its_values() -> None:
    assert product((5.0, 0.488, 1.0), 3) == "5\u202f\u00d7\u202f0.488\u202f\u00d7\u202f1"
    assert product(None) == MISSING


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, MISSING), (0, "0\u202f%"), (0.0001, "<\u202f0.1\u202f%"), (0.1234, "12.3\u202f%"), (1, "100\u202f%")],
)
def test_a_share_is_written_in_per_cent_and_a_trace_is_not_called_nothing(share: float | None, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, MISSING), ("", MISSING), ("B30f", "B30f"), (0, "0"), (["I30f", "3"], "I30f / 3")]
)
def test_an_element_is_written_as_it_is_and_its_parts_are_set_apart(value: ElementValue, text: str) -> None:
    assert element(value) == text


def shown(**elements: object) -> dict[str, object]:
    return public(SeriesRecord(series_key="0" * 20, status=Status.OK, elements=dict(elements))).elements


def test_only_allowed_elements_are_shown() -> None:
    assert shown(KVP=120.0, PatientID="Doe", StudyInstanceUID="1.2", StationName="CT1") == {"KVP": 120.0}


def test_text_is_made_harmless_and_a_great_age_capped() -> None:
    told = shown(Manufacturer="half \ud800 pair", ImageType=["A\u202e", "B"], PatientAge="095Y")
    assert told == {"Manufacturer": "half  pair", "ImageType": ["A", "B"], "PatientAge": "090Y"}


def test_numbers_stay_numbers() -> None:
    assert shown(PixelSpacing=[0.5, 0.5], BitsStored=12)["BitsStored"] == 12
