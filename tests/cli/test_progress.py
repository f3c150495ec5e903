import subprocess
import sys
from argparse import Namespace

import pytest

from pipeline.cli.progress import JsonLines, Lines, Silent, open_listener
from pipeline.record import SeriesRecord
from pipeline.vocabulary import Reason, Status

OK = SeriesRecord(series_key="a" * 20, status=Status.OK, n_slices=12, duration_s=0.25)
REJECTED = SeriesRecord(
    series_key="b" * 20, status=Status.REJECTED, reason=Reason.SLICE_GAP, detail="1 of 12 is missing", duration_s=0.1
)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [({"log_json": True}, JsonLines), ({"quiet": True}, Silent), ({"no_progress": True}, Lines), ({}, Lines)],
)
def test_the_options_and_the_terminal_choose_who_listens(asked: dict[str, bool], kind: type[Silent]) -> None:
    options = Namespace(**dict.fromkeys(("log_json", "quiet", "no_progress", "verbose", "show_folders"), False) | asked)
    assert type(open_listener(options)) is kind


def test_a_line_a_series(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as lines:
        lines.begins(2, 5)
        lines.finished(OK)
        lines.finished(REJECTED)
        lines.says("something")
    assert capsys.readouterr().out.splitlines() == [
        "2 series to prepare, 5 done before",
        f"{'a' * 20} ok: 12 slices, 0.2 s",
        f"{'b' * 20} rejected: SLICE_GAP, 1 of 12 is missing",
        "something",
    ]


def test_a_line_names_the_folder_only_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    for lines in (Lines(), Lines(shows_folders=True)):
        lines.finished(OK, "/in/jane")
    assert capsys.readouterr().out.splitlines() == [
        f"{'a' * 20} ok: 12 slices, 0.2 s{end}" for end in ("", " in /in/jane")
    ]


def test_a_quiet_run_imports_no_bar() -> None:
    program = (
        "import sys; from argparse import Namespace; from pipeline.cli.progress import open_listener\n"
        "open_listener(Namespace(log_json=False, quiet=True, no_progress=False)); print('rich' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
