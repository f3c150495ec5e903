"""Which PatientIDs mean one person: ``manifest.patient_map``."""

from pathlib import Path

from pipeline.cohort.table import read_cells
from pipeline.errors import UsageError

KEY = "PatientID"


def load_people(path: str | None) -> dict[str, str]:
    """Return the people of a patient map, an empty mapping without one; raises as `read_people`."""
    return {} if path is None else read_people(Path(path))


def read_people(path: Path) -> dict[str, str]:
    """Return the person that each PatientID means, from a CSV file of two columns: PatientID, and the person's name.

    Raises UsageError where it is no such file, or one PatientID has two people.
    """
    header, rows = read_cells(path)
    if len(header) != 2 or header.count(KEY) != 1:
        msg = f"{path.name} has the columns {', '.join(header)}; a patient map has PatientID and one more"
        raise UsageError(msg)
    at = header.index(KEY)
    pairs = {(row[at], row[1 - at]) for row in rows if all(row)}
    people = dict(pairs)
    if len(people) < len(pairs):
        msg = f"{path.name} gives {len(pairs) - len(people)} PatientIDs to more than one person"
        raise UsageError(msg)
    return people
