import time
from pathlib import Path

import psutil
from phantoms import write_series

from pipeline.cli import main
from pipeline.cli.ahead import workers_ahead
from pipeline.vocabulary import ExitCode


def test_the_process_that_workers_are_copied_from_imports_beside_this_one_and_ends_with_the_block() -> None:
    with workers_ahead() as server:
        assert not server.is_ready  # nobody waits for it
        while not server.is_ready:
            time.sleep(0.01)
        process = server._process
        assert process
    assert process.poll() is not None


def test_a_configuration_that_is_wrong_leaves_no_process_behind(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("steps: [no_such_step: {}]\n")
    before = _children()
    assert main(["run", str(tmp_path / "c.yaml"), "--quiet"]) == ExitCode.USAGE
    assert _children() == before


def test_a_run_leaves_no_process_behind(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    (tmp_path / "c.yaml").write_text("steps: []\nreport: {enabled: false}\n")
    before = _children()
    assert (
        main(["run", str(tmp_path / "c.yaml"), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "o")]) == 0
    )
    assert _children() == before


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}
