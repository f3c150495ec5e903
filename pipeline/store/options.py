"""``store:`` of the configuration."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class StoreOptions:
    """``store:`` of the configuration."""

    dtype: Literal["auto", "int16", "uint8", "uint16", "float16", "float32"] = "auto"
    chunks: tuple[int, int, int] = (64, 64, 64)
    shards: Literal["auto"] | tuple[int, int, int] | None = "auto"
    level: int = 1
    mask: Literal["auto"] | bool = "auto"
    pyramid_levels: int = 1

    def __post_init__(self) -> None:
        for holds, rule in (
            (min(self.chunks) >= 1, "chunks must be at least 1"),
            (_are_multiples(self.shards, self.chunks), "shards must be whole multiples of chunks"),
            (0 <= self.level <= 9, "level must be from 0 to 9"),
            (self.pyramid_levels >= 1, "pyramid_levels must be at least 1"),
            (self.pyramid_levels <= 12, "pyramid_levels must be at most 12"),
        ):
            if not holds:
                raise ValueError(rule)


def _are_multiples(shards: Literal["auto"] | tuple[int, int, int] | None, chunks: tuple[int, int, int]) -> bool:
    if shards is None or shards == "auto":
        return True
    return all(shard >= chunk >= 1 and shard % chunk == 0 for shard, chunk in zip(shards, chunks, strict=True))
