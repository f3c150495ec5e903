"""The package by the name of its program: ``ctprep.dataset`` is ``pipeline.dataset``, the same module."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pipeline
from pipeline import __version__

__all__ = ["__version__"]

_found, _wanted = Path(pipeline.__file__ or ".").resolve(), Path(__file__).resolve().parents[1] / "pipeline/__init__.py"
if _found != _wanted:
    msg = f"another package called pipeline stands before that of ctprep: {_found.parent}; rename it or its folder"
    raise ImportError(msg)


class _SameModule(MetaPathFinder, Loader):
    """Finds ``ctprep.NAME`` as the module ``pipeline.NAME``."""

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a module below this package is found; None for any other."""
        del path, target
        return ModuleSpec(fullname, self) if fullname.startswith(f"{__name__}.") else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import the module by its own name."""
        module = import_module(f"pipeline{spec.name.removeprefix(__name__)}")
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module, which has run already, its own description back."""
        if module.__spec__ is not None:
            module.__spec__ = self._specs.pop(module.__spec__.name)


__path__: list[str] = []
sys.meta_path.insert(0, _SameModule())
