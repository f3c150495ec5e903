"""A small finished output to describe: two patients ready, one series with a gap; hostile text in a header."""

from pathlib import Path

from phantoms import write_series
from pydicom import Dataset
from running import carry_out

from pipeline.output.layout import OutputFolder

HOSTILE = "A|B <img src=x> [c](d) `e`"
STEPS = "steps: [{orient: {to: LPS}}, {clip: {low_hu: -1000, high_hu: 400}}, {normalise: {to: zero_one}}]\n"


def hostile(dataset: Dataset, _z: int) -> None:
    dataset.Manufacturer = HOSTILE


def described(tmp_path: Path, settings: str = "") -> OutputFolder:
    """Run a small cohort of three patients and return its output."""
    write_series(tmp_path / "in/a", patient_id="Nobody-A")
    write_series(tmp_path / "in/b", patient_id="Nobody-B", seed=1, change=hostile, tilt_deg=10.0)
    write_series(tmp_path / "in/c", patient_id="Nobody-C", seed=2)
    (tmp_path / "in/c/IM0005.dcm").unlink()
    return carry_out(tmp_path, tmp_path / "in", f"{STEPS}report: {{enabled: false}}\n{settings}").output
