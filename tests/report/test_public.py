from pipeline.record import SeriesRecord
from pipeline.report.render import public
from pipeline.vocabulary import Status


def shown(**elements: object) -> dict[str, object]:
    return public(SeriesRecord(series_key="0" * 20, status=Status.OK, elements=dict(elements))).elements


def test_only_allowed_elements_are_shown() -> None:
    assert shown(KVP=120.0, PatientID="Doe", StudyInstanceUID="1.2", StationName="CT1") == {"KVP": 120.0}


def test_text_is_made_harmless_and_a_great_age_capped() -> None:
    told = shown(Manufacturer="half \ud800 pair", ImageType=["A\u202e", "B"], PatientAge="095Y")
    assert told == {"Manufacturer": "half  pair", "ImageType": ["A", "B"], "PatientAge": "090Y"}


def test_numbers_stay_numbers() -> None:
    assert shown(PixelSpacing=[0.5, 0.5], BitsStored=12)["BitsStored"] == 12
