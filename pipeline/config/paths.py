"""Whether the folders of a configuration may be used together; looks, and writes nothing.

A folder in a bucket is judged by its name alone: whether it is there shows when it is fetched.
"""

import os
from dataclasses import replace
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from pipeline.cohort.options import ManifestOptions
from pipeline.config.document import Keys
from pipeline.config.model import Config
from pipeline.errors import UsageError
from pipeline.sources.address import Address, parse_address, resolve_file_url
from pipeline.sources.files import is_archive_name, is_list_name


def check_paths(config: Config) -> None:
    """Check that every root is a folder, and that reading and writing keep out of each other's way.

    Raises
    ------
    UsageError
        Where they are not, or do not.
    """
    for root in config.input.roots:
        if parse_address(root):
            continue
        found = _stat(Path(root))
        if found is not None and S_ISREG(found.st_mode) and (is_archive_name(root) or is_list_name(root)):
            continue
        if found is None or not S_ISDIR(found.st_mode):
            message = f"input.roots: {root} is not a folder that exists"
            raise UsageError(message)
    if clash := find_folder_clash(config):
        raise UsageError(clash)


def find_folder_clash(config: Config) -> str | None:
    """Return why the output folder may not be used with the input roots, None where it may.

    Links are followed; what does not exist yet is judged by its name.
    """
    folder = _place(config.output.folder)
    if _is_everything(folder):
        return f"output.folder: {folder} is the root of {_kind(folder)}; allowed is a folder of its own"
    for root in config.input.roots:
        place = _place(root)
        if _lies_in(folder, place):
            return f"output.folder: {folder} lies inside the input root {root}; allowed is a folder beside it"
        if _lies_in(place, folder):
            return f"output.folder: {folder} holds the input root {root}; allowed is a folder beside it"
    return None


def find_unknown_place(config: Config) -> tuple[Keys, str] | None:
    """Return the place and the fault of the first folder that is named by a URL that cannot be reached."""
    roots: list[tuple[Keys, str]] = [(("input", "roots", n), root) for n, root in enumerate(config.input.roots)]
    for keys, folder in (*roots, (("output", "folder"), config.output.folder)):
        try:
            parse_address(resolve_file_url(folder))
        except UsageError as error:
            return keys, str(error)
    return None


def resolve_file_urls(config: Config) -> Config:
    """Return the same configuration, what lies on this machine named by paths."""
    roots = tuple(map(resolve_file_url, config.input.roots))
    output = replace(config.output, folder=resolve_file_url(config.output.folder))
    return replace(config, input=replace(config.input, roots=roots), output=output)


def _place(folder: str) -> Path | Address:
    return parse_address(folder) or Path(os.path.realpath(folder))


def _is_everything(folder: Path | Address) -> bool:
    return not folder.prefix if isinstance(folder, Address) else folder == Path(folder.anchor)


def _kind(folder: Path | Address) -> str:
    return "a bucket" if isinstance(folder, Address) else "a file system"


def _lies_in(inner: Path | Address, outer: Path | Address) -> bool:
    """Tell whether ``inner`` is ``outer`` or below it, also where one folder has two names."""
    if isinstance(inner, Address) or isinstance(outer, Address):
        return isinstance(inner, Address) and isinstance(outer, Address) and outer.holds(inner)
    return any(_is_same(folder, outer) for folder in (inner, *inner.parents))


def _is_same(one: Path, other: Path) -> bool:
    if one == other:
        return True
    found, wanted = _stat(one), _stat(other)
    return found is not None and wanted is not None and os.path.samestat(found, wanted)


def _stat(path: Path) -> os.stat_result | None:
    """Return what the system says of a path, None where there is nothing, or nothing that may be seen."""
    try:
        return path.stat()
    except OSError:
        return None


def with_absolute_paths(config: Config) -> Config:
    """Return the same configuration for any working directory: its roots and its output by their whole paths."""
    roots = tuple(map(_whole, config.input.roots))
    output = replace(config.output, folder=_whole(config.output.folder))
    return replace(config, input=replace(config.input, roots=roots), output=output, manifest=_placed(config.manifest))


def _placed(options: ManifestOptions) -> ManifestOptions:
    """Return the same with whole paths of the files that it names."""
    labels = options.labels
    if labels is not None:
        masks = tuple(replace(mask, nifti=mask.nifti and _whole(mask.nifti)) for mask in labels.masks)
        labels = replace(labels, csv=labels.csv and _whole(labels.csv), masks=masks)
    return replace(options, labels=labels, patient_map=options.patient_map and _whole(options.patient_map))


def _whole(folder: str) -> str:
    """Return an absolute path; links stay as they were named, and so does what lies in a bucket."""
    return folder if parse_address(folder) else os.path.abspath(folder)  # noqa: PTH100  it would follow links
