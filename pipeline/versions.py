"""The stages that a store follows from, and the version of each: what makes a series stale when the program changes.

A number counts up when its stage makes another store, another record or another verdict of the same files.  Then the
next run makes every series again; a new release in which no number changed makes none.
"""

STAGES = {
    "reading": 2,  # files to Hounsfield units, with every check on the way
    "geometry": 1,  # slices to a grid in the patient, repairs included
    "steps": 1,  # what each step does to a volume
    "features": 1,  # what is measured of a volume
    "store": 2,  # how a volume is written
}


def describe_stages() -> str:
    """Return every stage with its version, as a series that was worked keeps it."""
    return ", ".join(f"{stage} {version}" for stage, version in STAGES.items())


def find_changed_stages(before: str) -> list[str]:
    """Return the stages that are not as they were when ``before`` was kept."""
    known = set(before.split(", "))
    return [stage for stage, version in STAGES.items() if f"{stage} {version}" not in known]
