"""What no program can know of a data set: its name, its licence, and whom to ask."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class About:
    """What its makers say of a data set; None is told as still to be filled in."""

    name: str = "CT volumes"
    version: str = "1.0.0"
    licence: str | None = None
    creator: str | None = None
    contact: str | None = None
    citation: str | None = None
    url: str | None = None
    published: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of what nobody has said yet."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) is None)
