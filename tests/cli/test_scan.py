from pathlib import Path

import pytest
from phantoms import write_series

from pipeline.cli import main


def test_a_scan_tells_files_and_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "in")
    (tmp_path / "in" / "notes.txt").write_text("no DICOM")
    config = tmp_path / "config.yaml"
    config.write_text("steps: []\n")
    assert main(["scan", str(config), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert told[:2] == ["files 13", "series 1"]
    assert not (tmp_path / "out/manifest.parquet").exists()
