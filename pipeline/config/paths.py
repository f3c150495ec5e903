"""Whether the folders of a configuration may be used together; looks, and writes nothing."""

import os
from dataclasses import replace
from pathlib import Path
from stat import S_ISDIR

from pipeline.config.model import Config
from pipeline.errors import UsageError


def check_paths(config: Config) -> None:
    """Check that every root is a folder, and that reading and writing keep out of each other's way.

    Raises
    ------
    UsageError
        Where they are not, or do not.
    """
    for root in config.input.roots:
        found = _stat(Path(root))
        if found is None or not S_ISDIR(found.st_mode):
            message = f"input.roots: {root} is not a folder that exists"
            raise UsageError(message)
    if clash := folder_clash(config):
        raise UsageError(clash)


def folder_clash(config: Config) -> str | None:
    """Return why the output folder may not be used with the input roots, None where it may.

    Links are followed; what does not exist yet is judged by its name.
    """
    folder = Path(os.path.realpath(config.output.folder))
    if folder == Path(folder.anchor):
        return f"output.folder: {folder} is the root of a file system; allowed is a folder of its own"
    for root in config.input.roots:
        place = Path(os.path.realpath(root))
        if _lies_in(folder, place):
            return f"output.folder: {folder} lies inside the input root {root}; allowed is a folder beside it"
        if _lies_in(place, folder):
            return f"output.folder: {folder} holds the input root {root}; allowed is a folder beside it"
    return None


def _lies_in(inner: Path, outer: Path) -> bool:
    """Tell whether ``inner`` is ``outer`` or below it, also where one folder has two names."""
    return any(_is_same(folder, outer) for folder in (inner, *inner.parents))


def _is_same(one: Path, other: Path) -> bool:
    if one == other:
        return True
    found, wanted = _stat(one), _stat(other)
    return found is not None and wanted is not None and os.path.samestat(found, wanted)


def _stat(path: Path) -> os.stat_result | None:
    """Return what the system says of a path, None where there is nothing or it does not tell."""
    try:
        return path.stat()
    except OSError:
        return None


def with_absolute_paths(config: Config) -> Config:
    """Return the same configuration for any working directory: its roots and its output by their whole paths."""
    roots = tuple(os.path.abspath(root) for root in config.input.roots)  # noqa: PTH100  links stay as they were named
    output = replace(config.output, folder=os.path.abspath(config.output.folder))  # noqa: PTH100
    return replace(config, input=replace(config.input, roots=roots), output=output)
