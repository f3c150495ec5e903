"""The whole job from the shell, side by side: ctprep and peers, in turns, on one cohort; ratios with their spread.

The job: HU, 1 mm linear without a filter (as every peer does), clip to [-1000, 400], to Zarr.  ctprep's time holds all
it does beside: headers checked, statistics, hashes, every file forced to disk, manifest, tables.  Its report is left
out, as no peer makes one; ``ctprep, default`` has all of ``configs/default.yaml``, filter and report included.

    python benchmarks/whole_job.py [COHORT] [--rounds 5] [--patients 8] [--slices N] [--peers NAME ...]

COHORT holds one folder per series; without it one is made (``cohort/made.py``).  ``--python`` names an interpreter that
has the peers, where this one has not.
"""

import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from cohort.made import make_cohort
from cohort.measured import Cost, adopt_orphans, run_measured
from cohort.peers import OF_COHORTS, PEERS

HERE = Path(__file__).parent
DEFAULT = HERE.parent / "configs" / "default.yaml"

JOB = """
steps:
  - resample: {{spacing_mm: [1, 1, 1], antialias: false}}
  - clip: {{low_hu: -1000, high_hu: 400}}
{normalise}store: {{dtype: {dtype}, level: {level}}}
cluster: {{kind: {kind}, workers: {workers}}}
report: {{enabled: false}}
"""
NORMALISE = "  - normalise: {to: zero_one}\n"


def configuration(dtype: str = "int16", level: int = 1, kind: str = "local", workers: str = "auto") -> str:
    """Return the job as YAML."""
    normalise = NORMALISE if dtype == "float16" else ""
    return JOB.format(dtype=dtype, level=level, kind=kind, workers=workers, normalise=normalise)


OURS = {
    "ctprep, int16 level 1": configuration(),
    "ctprep, serial": configuration(kind="serial"),
    "ctprep, float16 level 1": configuration("float16", 1),
    "ctprep, float16 level 5": configuration("float16", 5),
    "ctprep, default": DEFAULT.read_text(),
}
ANCHOR = "ctprep, int16 level 1"


def main(arguments: list[str]) -> None:
    """Let all contenders run in turns, and print the table."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--slices", type=int, help="of every series that is made; without it 130 to 400")
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=[*PEERS, *OF_COHORTS],
        default=["sitk-int16-1", "sitk-float16-1", "sitk-float16-5"],
    )
    parser.add_argument("--ours", nargs="*", choices=OURS, default=[ANCHOR, "ctprep, local cluster of 2"])
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args(arguments)
    adopt_orphans()
    with TemporaryDirectory(prefix="whole-job-") as scratch:
        cohort = Path(scratch, "cohort")
        if options.cohort:
            link_first(options.cohort, options.patients, cohort)
        else:
            make_cohort(cohort, options.patients, options.slices)
        read_once(cohort)
        commands = dict(contenders(options.ours, options.peers, options.python, cohort, Path(scratch)))
        costs: dict[str, list[Cost]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in list(commands.items()):
                shutil.rmtree(Path(scratch, "out"), ignore_errors=True)
                try:
                    costs[name].append(run_measured(command, Path(scratch, "log")))
                except subprocess.CalledProcessError as error:
                    print(f"{name}: left out, it ended with {error.returncode}: {last_line(Path(scratch, 'log'))}")
                    del commands[name], costs[name]
    show(costs)


def link_first(source: Path, n_patients: int, cohort: Path) -> None:
    """Let a folder hold links to the first series of another, or copies where links do not reach."""
    for folder in sorted(path for path in source.iterdir() if path.is_dir())[:n_patients]:
        shutil.copytree(folder, cohort / folder.name, copy_function=linked)


def read_once(cohort: Path) -> None:
    """Have the system hold every file in memory, so that the first contender does not wait for the disk for all."""
    for path in cohort.rglob("*"):
        if path.is_file():
            path.read_bytes()


def linked(source: str, target: str) -> None:
    """Link a file, or copy it from another file system."""
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def contenders(
    ours: list[str], peers: list[str], python: str, cohort: Path, scratch: Path
) -> Iterator[tuple[str, list[str]]]:
    """Yield each contender's name and command."""
    out = str(scratch / "out")
    for number, name in enumerate(ours):
        config = scratch / f"{number}.yaml"
        config.write_text(OURS[name])
        program = [str(Path(sys.executable).with_name("ctprep")), "run", str(config), "--quiet"]
        yield name, [*program, "--input", str(cohort), "--output", out]
    for peer in peers:
        yield peer, [python, str(HERE / "cohort" / "peers.py"), peer, str(cohort), out]


def last_line(log: Path) -> str:
    """Return the end of what a program wrote."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def show(costs: dict[str, list[Cost]]) -> None:
    """Print a line a contender: medians, and how many times the anchor's they are, least to most over the rounds."""
    anchor = next(iter(costs.values()))
    print(f"{'':<28}{'wall s':>8}{'times':>7} {'(spread)':>12}{'CPU s':>9}{'times':>7} {'(spread)':>12}{'MB':>7}")
    for name, runs in costs.items():
        wall = columns([run.wall_s for run in runs], [run.wall_s for run in anchor])
        cpu = columns([run.cpu_s for run in runs], [run.cpu_s for run in anchor])
        print(f"{name:<28}{wall}{cpu}{max(run.peak_mb for run in runs):>7.0f}")


def columns(values: list[float], anchors: list[float]) -> str:
    """Return the median, and the median and range of the ratios of runs of one round."""
    ratios = sorted(value / anchor for value, anchor in zip(values, anchors, strict=True))
    spread = f"({ratios[0]:.2f}-{ratios[-1]:.2f})"
    return f"{median(values):>8.2f}{median(ratios):>7.2f} {spread:>13}"


if __name__ == "__main__":
    main(sys.argv[1:])
