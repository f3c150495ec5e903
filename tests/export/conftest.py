"""The outputs that tests of this room read."""

from prepared import moved, packed

__all__ = ["moved", "packed"]
