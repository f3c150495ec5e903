"""Clusters for tests: in this process, and as real programs on the loopback interface."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
from cluster_jobs import QUICK
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.cluster.dispatcher import Dispatcher
from pipeline.cluster.options import ClusterOptions, Folders

LOOPBACK = "127.0.0.1"


def dispatcher(kind: str = "local", **options: Any) -> Dispatcher:
    """Return a dispatcher whose jobs may take little time and memory."""
    return Dispatcher(ClusterOptions(kind, **options), QUICK, (), Folders(), lambda _: None)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Certificate:
    """Files that encrypt a connection and prove who one is."""

    ca: str
    cert: str
    key: str

    @classmethod
    def made(cls, folder: Path) -> "Certificate":
        """Make a certificate that signs itself, for this machine's loopback interface."""
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ctprep test")]), datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        places = x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))])
        signed = builder.add_extension(places, critical=False).sign(key, hashes.SHA256())
        written, secret = folder / "cert.pem", folder / "key.pem"
        pem = serialization.Encoding.PEM
        written.write_bytes(signed.public_bytes(pem))
        form = serialization.PrivateFormat.PKCS8
        secret.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
        return cls(str(written), str(written), str(secret))

    @property
    def words(self) -> tuple[str, ...]:
        """The options of ``dask scheduler`` and ``dask worker``."""
        return ("--tls-ca-file", self.ca, "--tls-cert", self.cert, "--tls-key", self.key)

    @property
    def yaml(self) -> str:
        return f"{{ca: {self.ca}, cert: {self.cert}, key: {self.key}}}"


@dataclass
class Programs:
    """A scheduler and its workers, as a user starts them."""

    address: str
    scheduler: subprocess.Popen[str]
    workers: list[subprocess.Popen[str]]
    words: tuple[str, ...]

    def add_worker(self) -> None:
        options = ("--nthreads", "1", "--no-dashboard", "--memory-limit", "0", "--host", LOOPBACK)
        self.workers.append(_dask("worker", self.address, *options, *self.words))

    def worker_processes(self) -> list[psutil.Process]:
        """Return the processes that take jobs: below each nanny, those that hold the worker."""
        below = [child for worker in self.workers for child in psutil.Process(worker.pid).children()]
        return [child for child in below if "spawn_main" in " ".join(_words_of(child))]

    def close(self) -> None:
        for program in (*self.workers, self.scheduler):
            family = psutil.Process(program.pid).children(recursive=True) if program.poll() is None else []
            program.kill()
            program.communicate()
            for process in family:
                _kill(process)


@contextmanager
def programs(n_workers: int, certificate: Certificate | None = None) -> Iterator[Programs]:
    """Start ``dask scheduler`` and so many ``dask worker``; none is left running."""
    words = certificate.words if certificate else ()
    place = f"{'tls' if certificate else 'tcp'}://{LOOPBACK}:0"
    with ExitStack() as stack:
        scheduler = _dask("scheduler", "--host", place, "--no-dashboard", "--no-show", *words)
        started = Programs(_address_from(scheduler), scheduler, [], words)
        stack.callback(started.close)
        for _ in range(n_workers):
            started.add_worker()
        yield started


def _dask(*words: str) -> subprocess.Popen[str]:
    paths: Sequence[str] = [str(Path(path).absolute()) for path in sys.path]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "dask", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if words[0] == "scheduler" else subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"},
    )


def _address_from(scheduler: subprocess.Popen[str]) -> str:
    """Return where a scheduler says that it listens."""
    assert scheduler.stderr is not None
    for line in scheduler.stderr:
        if "Scheduler at:" in line:
            return line.split("Scheduler at:")[1].strip()
    message = "the scheduler ended before it listened"
    raise AssertionError(message)


def _words_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
