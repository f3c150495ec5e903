"""Makes a small CT cohort out of nothing: OUT/dicom is the input of a run, OUT/truth says what must come of it.

``PATIENTS`` is the table of who is in it and what each one shows.  The same seed gives the same bytes.  OUT/truth holds
``truth.json`` and, for each series, ``NNN.npy`` (HU as float32 [z, y, x] in the patient's axes: z to the head, y to the
back, x to the left; padding as -1024) and ``NNN.measured.npy`` (bool, False where it is padding).

For a tilted series the truth is the untilted object on an upright grid without noise: compare it by place in the
patient, within a tolerance.  All others are exact, voxel by voxel.
"""

import argparse
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
from phantom_body import body
from phantom_dicom import Scan, write_localizer, write_scan
from phantom_scanner import Acquisition, Habits, Protocol, acquire

FORMAT = 1
TRUTH = Path("truth", "truth.json")
EXIT_OK, EXIT_USAGE, EXIT_REJECTED = 0, 2, 3


@dataclass(frozen=True, kw_only=True)
class Patient:
    """One row of the cohort: what it shows, how it was scanned, and what a run with the defaults must say of it.

    ``second_step_mm`` adds a series with other slices in the same folder; ``otherwise`` names the reason under another
    policy, or "ok".
    """

    shows: str
    habits: Habits
    n_slices: int
    step_mm: float
    second_step_mm: float | None = None
    localizer: bool = False
    with_position: bool = True
    tilt_deg: float = 0.0
    exported_twice: bool = False
    reason: str | None = None
    warnings: tuple[str, ...] = ()
    otherwise: dict[str, str] = field(default_factory=dict)


PATIENTS = (
    Patient(
        shows="signed 16 bit holding HU as they are; a lung window; file names against z",
        habits=Habits(intercept=0, windows=((-600, 1500),), names="against z"),
        n_slices=40,
        step_mm=2.5,
    ),
    Patient(
        shows="unsigned 12 bit; feet first; two windows; two series in one folder; names without order",
        habits=Habits(position="FFS", signed=False, windows=((-600, 1500), (40, 400)), names="uid"),
        n_slices=48,
        step_mm=2.0,
        second_step_mm=4.0,
    ),
    Patient(
        shows="prone; intercept -1000; padding -2000 declared as SS -2000",
        habits=Habits(position="HFP", intercept=-1000, padding="SS", windows=((300, 1500), (50, 350))),
        n_slices=32,
        step_mm=3.0,
    ),
    Patient(
        shows="slope 1.000244; padding -2000 declared as US 63536",
        habits=Habits(slope=1.000244, padding="US", names="against z"),
        n_slices=36,
        step_mm=2.5,
        warnings=("W_PADDING",),
    ),
    Patient(
        shows="padding -2000 that nothing declares; a localizer inside the series",
        habits=Habits(padding="undeclared"),
        n_slices=30,
        step_mm=3.2,
        localizer=True,
        warnings=("W_LOCALIZER_DROPPED", "W_PADDING"),
    ),
    Patient(
        shows="no position in any slice; SliceLocation is there",
        habits=Habits(signed=False),
        n_slices=20,
        step_mm=5.0,
        with_position=False,
        reason="POSITION_MISSING",
        otherwise={"geometry.missing_position=slice_location": "ok"},
    ),
    Patient(
        shows="gantry tilted by 15 degrees: slices lean, the table moves along z",
        habits=Habits(signed=False, names="against z"),
        n_slices=44,
        step_mm=2.0,
        tilt_deg=15.0,
        warnings=("W_GANTRY_TILT",),
        otherwise={"geometry.gantry_tilt=reject": "GANTRY_TILT"},
    ),
    Patient(
        shows="slope 2, intercept -2048; exported twice under two patient IDs, other UIDs, same pixels",
        habits=Habits(signed=False, slope=2, intercept=-2048, names="against z"),
        n_slices=28,
        step_mm=3.5,
        exported_twice=True,
        warnings=("W_DUPLICATE_CONTENT",),
    ),
)


@dataclass(frozen=True)
class Cohort:
    """What is asked for; more patients than the table has begin it again, with other bodies."""

    seed: int = 0
    patients: int = len(PATIENTS)
    pixels: int = 96

    def __post_init__(self) -> None:
        if self.seed < 0 or self.patients < 1 or self.pixels < 16:
            msg = "seed must be at least 0, patients at least 1, pixels at least 16"
            raise ValueError(msg)


def make(out: Path, cohort: Cohort) -> bool:
    """Write the cohort, and return whether it was not there yet; FileExistsError where something else is in the way."""
    if out.exists() and any(out.iterdir()):
        if _asked_for(out) == cohort:
            return False
        msg = f"{out} holds something else than this cohort: remove it, or name another folder"
        raise FileExistsError(msg)
    unfinished = out.with_name(f"{out.name}.unfinished")
    rmtree(unfinished, ignore_errors=True)
    (unfinished / "truth").mkdir(parents=True)
    series = [entry for number in range(1, cohort.patients + 1) for entry in _scan_patient(unfinished, number, cohort)]
    rejected = any(entry["status"] == "rejected" for entry in series)
    truth = {
        "format": FORMAT,
        "cohort": asdict(cohort),
        "config": "configs/default.yaml",
        "exit_code": EXIT_REJECTED if rejected else EXIT_OK,
        "series": series,
    }
    (unfinished / TRUTH).write_text(json.dumps(truth, indent=1) + "\n")
    unfinished.rename(out)
    return True


def _asked_for(out: Path) -> Cohort | None:
    """Return the cohort that a folder holds, None where it holds none of this format."""
    try:
        truth = json.loads((out / TRUTH).read_text())
    except (OSError, ValueError):
        return None
    return Cohort(**truth["cohort"]) if truth["format"] == FORMAT else None


def _scan_patient(out: Path, number: int, cohort: Cohort) -> list[dict[str, Any]]:
    """Scan patient ``number``, counted from 1, and return what is true of each series."""
    patient = PATIENTS[(number - 1) % len(PATIENTS)]
    rng = np.random.default_rng([cohort.seed, number])
    height_mm = round(rng.uniform(-400, 400), 1)
    organs = body(rng, height_mm, prone=patient.habits.position == "HFP")
    name = f"PHANTOM-{number:02d}"
    patient_ids = [name, f"{name}-AGAIN"] if patient.exported_twice else [name]
    entries = []
    for series_number, protocol in enumerate(_protocols(patient, cohort.pixels, height_mm), start=1):
        acquisition = acquire(organs, protocol, patient.habits, rng)
        volume = f"{name}-{series_number}"
        _write_truth(out / TRUTH.parent / volume, acquisition)
        for patient_id in patient_ids:
            words = ("ctprep phantom", str(cohort.seed), patient_id)
            scan = Scan(patient_id, series_number, words, acquisition)
            _export(out / "dicom" / patient_id, patient, scan)
            entries.append(_entry(patient, scan, volume))
    return entries


def _protocols(patient: Patient, pixels: int, height_mm: float) -> list[Protocol]:
    """Return how each series of a patient is taken; all cover the same length."""
    steps_mm = [patient.step_mm, patient.second_step_mm]
    length_mm = patient.n_slices * patient.step_mm
    return [
        Protocol.of(round(length_mm / step_mm), step_mm, pixels, height_mm, patient.tilt_deg)
        for step_mm in steps_mm
        if step_mm
    ]


def _export(folder: Path, patient: Patient, scan: Scan) -> None:
    write_scan(folder, scan, with_position=patient.with_position)
    if patient.localizer:
        write_localizer(folder, scan)


def _write_truth(path: Path, acquisition: Acquisition) -> None:
    np.save(path.with_suffix(".npy"), acquisition.true_hu)
    np.save(path.with_suffix(".measured.npy"), acquisition.measured)


def _entry(patient: Patient, scan: Scan, volume: str) -> dict[str, Any]:
    """Return what a run must say of a series: ``warnings`` are those that must be there."""
    truth = scan.acquisition
    return {
        "patient": scan.patient_id,
        "series_uid": scan.series_uid,
        "folder": f"dicom/{scan.patient_id}",
        "shows": patient.shows,
        "status": "rejected" if patient.reason else "ok",
        "reason": patient.reason,
        "warnings": list(patient.warnings),
        "otherwise": patient.otherwise,
        "n_files": len(truth.stored) + patient.localizer,
        "n_slices": len(truth.stored),
        "tilt_deg": patient.tilt_deg,
        "exact": not patient.tilt_deg,
        "volume": f"{volume}.npy",
        "measured": f"{volume}.measured.npy",
        "affine_lps": truth.protocol.upright.tolist(),
    }


def zip_patients(out: Path) -> None:
    """Pack each patient's folder as a zip: the same series for a run over archives; the same bytes every time."""
    (out / "zips").mkdir(exist_ok=True)
    for patient in sorted((out / "dicom").iterdir()):
        with ZipFile(out / "zips" / f"{patient.name}.zip", "w", ZIP_DEFLATED) as archive:
            for path in sorted(path for path in patient.rglob("*") if path.is_file()):
                archive.writestr(ZipInfo(path.relative_to(patient).as_posix()), path.read_bytes(), ZIP_DEFLATED)


def main() -> int:
    """Read the command line, make the cohort, and say where it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to make")
    parser.add_argument("--seed", type=int, default=Cohort.seed, help="another number, other bodies and noise")
    parser.add_argument("--patients", type=int, default=Cohort.patients, help="how many (default %(default)s)")
    parser.add_argument("--pixels", type=int, default=Cohort.pixels, help="rows and columns (default %(default)s)")
    parser.add_argument("--zip", action="store_true", help="also pack each patient as OUT/zips/PATIENT.zip")
    asked = parser.parse_args()
    try:
        new = make(asked.out, Cohort(asked.seed, asked.patients, asked.pixels))
        if asked.zip:
            zip_patients(asked.out)
    except (OSError, ValueError) as error:
        parser.exit(EXIT_USAGE, f"{parser.prog}: {error}\n")
    print(
        f"{asked.out / 'dicom'}: phantom cohort {'made' if new else 'is already there'}; truth in {asked.out / TRUTH}"
    )
    return EXIT_OK


if __name__ == "__main__":
    raise SystemExit(main())
