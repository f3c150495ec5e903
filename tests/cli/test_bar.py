import io

import pytest
from rich.console import Console

from pipeline.cli.bar import Bar, open_bar
from pipeline.record import SeriesRecord
from pipeline.vocabulary import Reason, Status

OK = SeriesRecord(series_key="a" * 20, status=Status.OK, n_slices=12, duration_s=0.25)
REJECTED = SeriesRecord(series_key="b" * 20, status=Status.REJECTED, reason=Reason.SLICE_GAP, duration_s=0.1)


def test_a_bar_counts_what_was_refused_and_leaves_what_was_said() -> None:
    screen = io.StringIO()
    with Bar(Console(file=screen, force_terminal=True, width=120, color_system=None)) as bar:
        bar.begins(2, 0)
        bar.finished(OK)
        bar.finished(REJECTED)
        bar.says("[bold] is no markup")
    shown = screen.getvalue()
    assert "2/2" in shown
    assert "1 refused" in shown
    assert "[bold] is no markup" in shown


def test_a_bar_shows_files_then_series_then_what_is_written() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, color_system=None)
    with Bar(console, is_verbose=True) as bar:
        bar.reads(128, 4000)
        bar._progress.refresh()
        bar.begins(1, 0)
        bar._progress.refresh()
        bar.finished(REJECTED)
        bar.publishes("writing the report")
        bar._progress.refresh()
    shown = screen.getvalue()
    for part in (
        "128/4000 files read",
        "0/1",
        "0 failed",
        "writing the report",
        f"{REJECTED.series_key} rejected: SLICE_GAP",
    ):
        assert part in shown
    assert "- per minute" not in shown


@pytest.mark.parametrize(("forced", "kind"), [("1", Bar), ("", type(None))])
def test_there_is_a_bar_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch, forced: str, kind: type) -> None:
    monkeypatch.setenv("FORCE_COLOR", forced)  # by which rich takes anything for a terminal
    assert isinstance(open_bar(), kind)
