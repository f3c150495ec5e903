from pathlib import Path

from phantoms import write_series
from running import ORIENTED

from pipeline.config import load
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import read_table
from pipeline.run.scan import scan_only


def test_scanning_alone_accounts_for_every_file_and_reads_no_pixels(tmp_path: Path) -> None:
    for number in range(2):
        write_series(tmp_path / "in" / f"p{number}", patient_id=f"p{number}", seed=number)
    config = tmp_path / "scan.yaml"
    config.write_text(ORIENTED)
    counts = scan_only(load(config, inputs=[tmp_path / "in"], output=tmp_path / "out"))
    assert counts["files"] == 24
    assert counts["series"] == 2
    output = OutputFolder(tmp_path / "out")
    assert len(read_table(output.slices)) == 24
    assert list(output.volumes.iterdir()) == []
