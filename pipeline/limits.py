"""The limits that keep a hostile or broken file from costing more than itself."""

from dataclasses import dataclass, fields

INFLATE_FREE_BYTES = 16 << 20
"""Below this much inflated data the ratio is not checked: an empty slice deflates far."""
DEEPEST_NESTING = 100
"""Sequences are walked by functions that call themselves; deeper than this Python's own stack is the limit."""


@dataclass(frozen=True)
class Limits:
    """``limits:`` of the configuration."""

    max_file_mb: int = 2048
    max_voxels: int = 4_000_000_000
    max_slices: int = 20_000
    max_inflate_ratio: int = 20
    max_nesting: int = 60
    series_timeout_seconds: int = 1800
    series_memory_mb: int = 4096
    retries: int = 2

    def __post_init__(self) -> None:
        if self.max_nesting > DEEPEST_NESTING:
            msg = f"max_nesting must be at most {DEEPEST_NESTING}"
            raise ValueError(msg)
        for limit in fields(self):
            least = 0 if limit.name == "retries" else 1
            if getattr(self, limit.name) < least:
                msg = f"{limit.name} must be at least {least}"
                raise ValueError(msg)

    def most_inflated(self, n_packed: int) -> int:
        """Return how many bytes may come out of so many."""
        return max(INFLATE_FREE_BYTES, self.max_inflate_ratio * n_packed)

    def describe_ratio(self) -> str:
        """Return the limit in words."""
        return f"max_inflate_ratio {self.max_inflate_ratio}"
