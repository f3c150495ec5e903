from pathlib import Path

import pytest

from pipeline.cli.tables import print_counts, print_fields
from pipeline.record import SeriesRecord
from pipeline.vocabulary import Reason, SeriesWarning, Status


def test_counts_come_with_reasons_advice_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    ok = SeriesRecord(series_key="a", status=Status.OK, warnings=(SeriesWarning.W_PADDING,))
    gap = SeriesRecord(series_key="b", status=Status.REJECTED, reason=Reason.SLICE_GAP)
    print_counts([ok, gap, gap])
    told = " ".join(capsys.readouterr().out.split())
    assert told.startswith("1 ok, 2 rejected, 0 failed, 0 excluded")
    assert f"2 SLICE_GAP {Reason.SLICE_GAP.advice}" in told
    assert f"1 W_PADDING {SeriesWarning.W_PADDING.meaning}" in told


def test_the_reasons_of_masks_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    columns = {"label_mask_gtv": 7, "label_reason_gtv": "ok", "label_reason_site": "elsewhere"}
    there = SeriesRecord(series_key="a", status=Status.OK, labels=columns)
    missing = SeriesRecord(series_key="b", status=Status.OK, labels={"label_reason_gtv": "several"})
    print_counts([there, missing, missing])
    told = " ".join(capsys.readouterr().out.split())
    assert "1 gtv ok The mask is in the store." in told
    assert "2 gtv several Several objects say" in told
    assert "site" not in told


def test_text_is_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields([("path", Path("[red]")), ("key", "[/]")])
    assert "[red]" in capsys.readouterr().out
