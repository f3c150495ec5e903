"""Runs whose output lies in a bucket, for tests: carried out, killed, and looked at afterwards."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from phantoms import write_series
from running import ORIENTED, Quiet
from states import finished_in

from pipeline.config import load
from pipeline.output.layout import OutputFolder
from pipeline.run.run import Outcome, run
from pipeline.sources.bucket_output import DATABASE, OutputCopy
from pipeline.sources.bucket_stores import hash_of_store, store_name

if TYPE_CHECKING:
    from bucket_server import BucketServer, Request

SERIAL = ORIENTED + "cluster: {kind: serial}\nreport: {enabled: false}\n"


def two_patients(folder: Path) -> Path:
    """Write two series."""
    for number in range(2):
        write_series(folder / f"p{number}", patient_id=f"p{number}", seed=number)
    return folder


def remote_run(tmp_path: Path, source: Path | str, output: str, yaml: str = SERIAL) -> Outcome:
    """Run with an output in a bucket."""
    config = tmp_path / "far.yaml"
    config.write_text(yaml)
    return run(load(config, inputs=[source], output=output), Quiet())


def stores(server: "BucketServer", prefix: str = "out") -> dict[str, bytes]:
    return server.tree(f"{prefix}/volumes")


def stores_here(output: OutputFolder) -> dict[str, bytes]:
    root = output.volumes
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def hashes_in_database(server: "BucketServer", tmp_path: Path) -> dict[str, str]:
    """Return the SHA-256 of each store by series, as the database in the bucket says."""
    copy = OutputFolder(tmp_path / "looked at")
    copy.private.mkdir(parents=True)
    copy.state.write_bytes(server.tree("out")[DATABASE])
    return {key: found.record.sha256 or "" for key, found in finished_in(copy).items()}


WRITES = frozenset({"PUT", "POST", "DELETE"})
"""What changes a bucket; POST removes many objects at once."""


class Killer:
    """Kills a run when it asks for the n-th time to change its output."""

    def __init__(self, n: int) -> None:
        self.left = n
        self.run: subprocess.Popen[bytes] | None = None

    def __call__(self, request: "Request") -> None:
        if request[0] in WRITES:
            self.left -= 1
            if self.left <= 0 and self.run:
                self.run.send_signal(signal.SIGKILL)
                raise ConnectionError


def killed_run(server: "BucketServer", config: Path, source: Path, n: int) -> None:
    killer = Killer(n)
    server.before = killer
    command = [sys.executable, "-m", "pipeline", "run", config, "--input", source, "--output", server.url("out")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        killer.run = process
    server.before = lambda _: None
    assert process.returncode == -signal.SIGKILL


def falsely_ok(server: "BucketServer", tmp_path: Path) -> list[str]:
    """Return the series that the database in the bucket calls ok, and whose store is not what it says."""
    bucket, copy = server.opened("out"), OutputFolder(tmp_path / "seen")
    OutputCopy(bucket, copy, tmp_path / "seen.json").fetch({DATABASE}, mends=False)
    records = [found.record for found in finished_in(copy).values()]
    return [one.series_key for one in records if hash_of_store(bucket, store_name(one.series_key)) != one.sha256]
