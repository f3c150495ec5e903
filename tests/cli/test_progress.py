import io
from argparse import Namespace

import pytest
from rich.console import Console

from pipeline.cli.progress import Bar, JsonLines, Lines, Silent, listener_for
from pipeline.record import SeriesRecord
from pipeline.vocabulary import Reason, Status

OK = SeriesRecord(series_key="a" * 20, status=Status.OK, n_slices=12, duration_s=0.25)
REJECTED = SeriesRecord(series_key="b" * 20, status=Status.REJECTED, reason=Reason.SLICE_GAP, duration_s=0.1)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [({"log_json": True}, JsonLines), ({"quiet": True}, Silent), ({"no_progress": True}, Lines), ({}, Lines)],
)
def test_the_options_and_the_terminal_choose_who_listens(asked: dict[str, bool], kind: type[Silent]) -> None:
    options = Namespace(**{"log_json": False, "quiet": False, "no_progress": False} | asked)
    assert type(listener_for(options)) is kind


def test_a_line_a_series(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as lines:
        lines.begins(2, 5)
        lines.finished(OK)
        lines.finished(REJECTED)
        lines.says("something")
    assert capsys.readouterr().out.splitlines() == [
        "2 series to prepare, 5 done before",
        f"{'a' * 20} ok: 12 slices, 0.2 s",
        f"{'b' * 20} rejected: SLICE_GAP",
        "something",
    ]


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
