"""``cluster:`` of the configuration, and the folders that its workers must see."""

import ipaddress
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

_AMOUNT: Final = re.compile(r"(?P<number>\d+(\.\d+)?) *((?P<prefix>[KMGT])(?P<binary>I?))?B?", re.IGNORECASE)

ADDRESS_SECONDS: Final = 60
"""How long a running cluster may be without a worker."""

QUEUE_SECONDS: Final = 3600
"""How long a job may wait in a queue."""

TLS_FILES: Final = ("ca", "cert", "key")


@dataclass(frozen=True)
class ClusterOptions:
    """Where the work is done: in a child process, on this machine, or on a cluster."""

    kind: Literal["local", "serial", "address", "slurm", "pbs", "lsf", "sge"] = "local"
    workers: Literal["auto"] | int = "auto"
    memory_limit: str | int = "auto"
    address: str | None = None
    tls: dict[str, str] | None = None
    insecure: bool = False
    wait_seconds: Literal["auto"] | int = "auto"
    dashboard: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("workers", "wait_seconds"):
            if (number := getattr(self, name)) != "auto" and number < 1:
                msg = f"{name} must be at least 1"
                raise ValueError(msg)
        if self.tls is not None and sorted(self.tls) != sorted(TLS_FILES):
            msg = "tls takes three files: ca, cert and key"
            raise ValueError(msg)
        if self.kind == "address":
            self._check_address()
        if self.memory_limit_bytes == 0:
            msg = "memory_limit must be more than nothing"
            raise ValueError(msg)

    def _check_address(self) -> None:
        """Refuse an address that is not encrypted, unless it is this machine or ``insecure`` is set."""
        if self.address is None:
            msg = "kind: address needs cluster.address"
            raise ValueError(msg)
        place = urlsplit(self.address if "://" in self.address else f"tcp://{self.address}")
        if place.scheme not in {"tcp", "tls"} or not place.hostname:
            msg = f"address {self.address!r} is no scheduler's address such as tls://10.0.0.1:8786"
            raise ValueError(msg)
        if place.scheme == "tls" and self.tls is None:
            msg = "an address with tls:// needs cluster.tls: {ca: FILE, cert: FILE, key: FILE}"
            raise ValueError(msg)
        if place.scheme == "tcp" and not self.insecure and not _is_loopback(place.hostname):
            msg = f"{self.address} is not encrypted, and asks nobody who they are; use tls://, or insecure: true"
            raise ValueError(msg)

    @property
    def patience_seconds(self) -> int:
        """How long a run waits for a worker where there is none."""
        if self.wait_seconds != "auto":
            return self.wait_seconds
        return ADDRESS_SECONDS if self.kind == "address" else QUEUE_SECONDS

    @property
    def is_remote(self) -> bool:
        """True where workers may be on other machines."""
        return self.kind not in {"local", "serial"}

    @property
    def is_queue(self) -> bool:
        """True where a job queue starts the workers."""
        return self.is_remote and self.kind != "address"

    @property
    def memory_limit_bytes(self) -> int | None:
        """The memory of one worker; None leaves it to ``limits.series_memory_mb``."""
        return None if self.memory_limit == "auto" else _bytes(self.memory_limit)


def _bytes(amount: str | int) -> int:
    """Read an amount of memory such as ``4GB``, ``3.5 GiB`` or a plain number of bytes."""
    match = _AMOUNT.fullmatch(str(amount))
    if match is None:
        msg = f"memory_limit {amount!r} is neither auto nor an amount such as 4GB or 4GiB"
        raise ValueError(msg)
    power = " KMGT".index((match["prefix"] or " ").upper())
    return int(float(match["number"]) * (1024 if match["binary"] else 1000) ** power)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Folders:
    """The folders that workers on other machines must see: those to read, and one to write in."""

    read: tuple[Path, ...] = ()
    written: Path | None = None

    @property
    def keys(self) -> Path | None:
        """Where the certificates of a job queue's workers lie as long as its cluster is open."""
        return self.written.absolute() / "tls" if self.written else None

    @contextmanager
    def hold_keys(self) -> Iterator[None]:
        """Make that folder, its owner's alone, and remove it with all that is in it."""
        self.remove_keys()
        if self.keys:
            self.keys.mkdir(mode=0o700)
        try:
            yield
        finally:
            self.remove_keys()

    def remove_keys(self) -> None:
        """Remove what a killed run left there; no other run may be at work."""
        if self.keys:
            shutil.rmtree(self.keys, ignore_errors=True)
