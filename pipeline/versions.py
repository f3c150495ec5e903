"""The versions of the stages that make a store: a series is stale when one of them has changed.

A number is increased when its stage makes another store, record or verdict from the same files.  The next run then
processes every series again; a release in which no number changed processes none.
"""

STAGES = {
    "reading": 5,  # files to Hounsfield units, with every check on the way
    "geometry": 2,  # slices to a grid in the patient, repairs included
    "steps": 1,  # what each step does to a volume
    "features": 1,  # the figures of a volume
    "store": 3,  # how a volume is written
}


def describe_stages() -> str:
    """Return every stage with its version, as the state keeps it for a processed series."""
    return ", ".join(f"{stage} {version}" for stage, version in STAGES.items())


def find_changed_stages(before: str) -> list[str]:
    """Return the stages whose version differs from that in ``before``."""
    known = set(before.split(", "))
    return [stage for stage, version in STAGES.items() if f"{stage} {version}" not in known]
