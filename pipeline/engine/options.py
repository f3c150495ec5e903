"""``cluster:`` of the configuration."""

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

_AMOUNT: Final = re.compile(r"(?P<number>\d+(\.\d+)?) *((?P<prefix>[KMGT])(?P<binary>I?))?B?", re.IGNORECASE)


@dataclass(frozen=True)
class ClusterOptions:
    """Where the work is done: in a child process, on this machine, or on a cluster."""

    kind: Literal["local", "serial", "address", "slurm", "pbs", "lsf", "sge"] = "local"
    workers: Literal["auto"] | int = "auto"
    memory_limit: str | int = "auto"
    address: str | None = None
    tls: dict[str, str] | None = None
    insecure: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.workers, int) and self.workers < 1:
            msg = "workers must be at least 1"
            raise ValueError(msg)
        if self.kind == "address" and self.address is None:
            msg = "kind: address needs cluster.address"
            raise ValueError(msg)
        if self.memory_limit_bytes == 0:
            msg = "memory_limit must be more than nothing"
            raise ValueError(msg)

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
