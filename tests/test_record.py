import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry import Zyx
from pipeline.record import SeriesRecord, from_json, to_json
from pipeline.vocabulary import Reason, SeriesWarning, Status, Verdict

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 2**40)

RECORDS = st.builds(
    SeriesRecord,
    series_key=st.text("0123456789abcdef", min_size=20, max_size=20),
    status=st.sampled_from(Status),
    reason=st.none() | st.sampled_from(Reason),
    warnings=st.lists(st.sampled_from(SeriesWarning), unique=True).map(tuple),
    detail=st.none() | st.text(),
    geometry=st.none() | st.sampled_from(Verdict),
    shape_in=st.none() | st.builds(Zyx, COUNTS, COUNTS, COUNTS),
    spacing_mm=st.none() | st.builds(Zyx, NUMBERS, NUMBERS, NUMBERS),
    shape=st.none() | st.lists(COUNTS, min_size=3, max_size=4).map(tuple),
    hu_mean=st.none() | NUMBERS,
    masks=st.lists(st.dictionaries(st.text(), st.none() | st.text() | COUNTS)).map(tuple),
    elements=st.dictionaries(st.text(), st.none() | st.text() | NUMBERS | st.lists(st.text()) | st.lists(COUNTS)),
)


@given(RECORDS)
@settings(max_examples=60)
def test_a_record_comes_back_from_its_json_text_as_it_was(record: SeriesRecord) -> None:
    again = from_json(json.loads(json.dumps(to_json(record))))
    assert again == record
    assert type(again.spacing_mm) is type(record.spacing_mm)


def test_columns_that_are_absent_take_their_defaults() -> None:
    assert from_json({"series_key": "k", "status": "ok"}) == SeriesRecord(series_key="k", status=Status.OK)


@pytest.mark.parametrize(
    ("column", "word", "error"),
    [("status", "fine", ValueError), ("reason", "NO_IDEA", KeyError), ("colour", "", TypeError)],
)
def test_what_the_vocabulary_lacks_is_refused(column: str, word: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        from_json({"series_key": "k", "status": "ok", column: word})


def test_the_flat_row_ends_with_the_elements() -> None:
    record = SeriesRecord(series_key="k", status=Status.OK, elements={"Modality": "CT"})
    assert list(record.columns())[-2:] == ["finished_at", "Modality"]
    assert "elements" not in record.own_columns()
