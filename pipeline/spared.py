"""Libraries that others import wherever they find them, and nothing here needs: a second of every start."""

import sys
from typing import Final

SPARED: Final = frozenset({"pandas", "requests", "tqdm"})
"""pyarrow looks for the first, pydicom's download of examples for the others."""


class _Spared:
    """Lets a library not be found, and leaves every other to the finders that follow."""

    def find_spec(self, name: str, *_: object) -> None:
        """Raise ModuleNotFoundError for what is spared."""
        if name in SPARED:
            raise ModuleNotFoundError(name=name)


def spare() -> None:
    """Let this process, which is the program's own and nobody else's, find none of them."""
    sys.meta_path.insert(0, _Spared())
