import json
from pathlib import Path

import pytest

from pipeline.output.layout import OutputFolder
from pipeline.record import SeriesRecord
from pipeline.report.options import ReportOptions
from pipeline.report.page import choose_pages, write_report
from pipeline.vocabulary import Reason, Status

RECORDS = [
    SeriesRecord(series_key=f"{number:02x}".ljust(20, "0"), status=Status.OK, qc="ok") for number in range(0, 256, 32)
]
LOOK = SeriesRecord(series_key="f" * 20, status=Status.OK, qc="look")
REFUSED = SeriesRecord(series_key="e" * 20, status=Status.REJECTED, reason=Reason.SLICE_GAP)


def keys(*records: SeriesRecord) -> list[str]:
    return [record.series_key for record in records]


def test_all_series_of_a_small_cohort_have_a_page() -> None:
    assert choose_pages(RECORDS, ReportOptions()) == RECORDS
    assert choose_pages(RECORDS, ReportOptions(pages="all")) == RECORDS


def test_what_is_worth_a_look_has_a_page_before_what_is_refused_and_a_sample() -> None:
    every = [*RECORDS, REFUSED, LOOK]
    assert keys(*choose_pages(every, ReportOptions(pages=1))) == keys(LOOK)
    assert keys(*choose_pages(every, ReportOptions(pages=3))) == keys(RECORDS[0], REFUSED, LOOK)
    assert choose_pages(every, ReportOptions(pages=0)) == []


def test_the_sample_is_the_share_of_keys_that_have_a_page() -> None:
    options = ReportOptions(pages=2)
    drawn = [one for one in RECORDS if options.is_in_sample(one.series_key, len(RECORDS))]
    assert drawn == choose_pages(RECORDS, options)


def test_fewer_pages_than_none_is_no_option() -> None:
    with pytest.raises(ValueError, match="pages"):
        ReportOptions(pages=-1)


def test_a_report_links_only_to_pages_that_there_are(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path)
    output.prepare()
    summary = {"exit_code": 0, "counts": {}, "versions": {}}
    for options, there in ((ReportOptions(), [RECORDS[0], LOOK]), (ReportOptions(pages=1), [LOOK])):
        index = write_report(output, [RECORDS[0], LOOK], summary, options, {}).read_text()
        assert (f"series/{LOOK.series_key}/index.html" in index) is True
        assert sorted(path.name for path in (output.report / "series").iterdir()) == keys(*there)
        assert sorted(json.loads((output.report / "made.json").read_text())) == keys(*there)
        sheet = (output.report / "series-1.html").read_text()
        assert (RECORDS[0].series_key in sheet) is (len(there) > 1)
