from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.output.state import Finished
from pipeline.plan.plan import PlannedSeries, SeriesState, describe_missing, has_no_ct_left
from pipeline.record import SeriesRecord
from pipeline.scan.series import Scan, ScannedSeries
from pipeline.sources.files import FoundFile
from pipeline.sources.folders import InputOptions
from pipeline.vocabulary import Reason, Status

OK = SeriesRecord(series_key="a", status=Status.OK)
MR = replace(OK, status=Status.EXCLUDED, reason=Reason.NOT_CT)


def scan_of(*paths: Path | str, refusal: Any = None) -> Scan:
    headers = [SliceHeader(file=FoundFile(str(path), 1, 1)) for path in paths]
    return Scan(
        tuple(
            ScannedSeries.of(Series(("uid",), (header,)), OK, frozenset(), refusal, "signature") for header in headers
        ),
        n_files=len(headers),
    )


def known(record: SeriesRecord) -> dict[str, Finished]:
    return {"a": Finished(record, "signature", "rules")}


@pytest.mark.parametrize(
    ("found", "finished", "has"),
    [
        (scan_of(), {}, True),
        (scan_of("/in/1"), {}, False),
        (scan_of("/in/1"), known(OK), False),
        (scan_of("/in/1", refusal=(Reason.NOT_CT, "MR")), known(OK), True),
        (scan_of("/in/1", refusal=(Reason.NOT_CT, "MR")), known(MR), False),
        (scan_of("/in/1", refusal=(Reason.CORRUPT, "cut")), known(OK), False),
    ],
)
def test_an_input_has_no_ct_left_where_no_ct_is_left_of_it(
    found: Scan, finished: dict[str, Finished], *, has: bool
) -> None:
    assert has_no_ct_left(found, finished) is has


def test_what_is_gone_is_counted_and_empty_roots_are_named(tmp_path: Path) -> None:
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
    options = InputOptions((str(tmp_path / "full"), str(tmp_path / "empty")))
    gone = [
        PlannedSeries("b", SeriesState.GONE, ""),
        PlannedSeries("c", SeriesState.GONE, ""),
        PlannedSeries("a", SeriesState.DONE, ""),
    ]
    messages = list(describe_missing(options, scan_of(tmp_path / "full/1"), gone))
    assert messages == [
        f"{tmp_path / 'empty'} holds no file at all (is it mounted?)",
        "2 series are gone from the input; their stores are kept, and `ctprep gc` lists what is gone",
    ]
    assert list(describe_missing(options, scan_of(), gone[2:])) == []
