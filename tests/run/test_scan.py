from collections import Counter
from pathlib import Path

from phantoms import write_series
from pydicom import Dataset
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


def test_an_image_whose_pixels_were_not_read_has_no_outcome_yet(tmp_path: Path) -> None:
    write_series(tmp_path / "in/whole", change=lambda dataset, z: turn_into_localizer(dataset) if z == 0 else None)
    write_series(tmp_path / "in/map", patient_id="map", change=lambda dataset, _: turn_into_map(dataset))
    config = tmp_path / "scan.yaml"
    config.write_text(ORIENTED)
    scan_only(load(config, inputs=[tmp_path / "in"], output=tmp_path / "out"))
    output = OutputFolder(tmp_path / "out")
    for table in (output.files, output.slices):
        outcomes = Counter((row["status"], row["reason"]) for row in read_table(table))
        assert outcomes == {(None, None): 11, ("skipped", "LOCALIZER"): 1, ("rejected", "RESCALE_NOT_HU"): 12}


def turn_into_localizer(dataset: Dataset) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def turn_into_map(dataset: Dataset) -> None:
    dataset.RescaleType = "Z_EFF"
