from dataclasses import replace

from pipeline.record import SeriesRecord
from pipeline.run.publish import with_content_warnings
from pipeline.vocabulary import Status


def test_equal_content_is_warned_of_in_every_series_that_holds_it() -> None:
    one = SeriesRecord(series_key="a", status=Status.OK, content_hash="x")
    records = [one, replace(one, series_key="b"), replace(one, series_key="c", content_hash="y")]
    warned = [record.warnings for record in with_content_warnings(records)]
    assert warned == [("W_DUPLICATE_CONTENT",), ("W_DUPLICATE_CONTENT",), ()]
