"""``ctprep run``: the main job."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from pipeline.cli.arguments import add_config, add_talk, load_config
from pipeline.cli.endings import print_end
from pipeline.errors import UsageError
from pipeline.vocabulary import ExitCode

if TYPE_CHECKING:
    from pipeline.config import Config


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_config(parser)
    add_talk(parser)


def execute(options: Namespace) -> ExitCode:
    """Run, and say how it ended and where everything is."""
    config = _load_config(options)
    _begin_imports(config)
    from pipeline.cli.progress import open_listener  # noqa: PLC0415  --help shall not wait for these
    from pipeline.run.run import run  # noqa: PLC0415

    with open_listener(options) as listener:
        outcome = run(config, listener)
    return print_end(outcome, options)


def _load_config(options: Namespace) -> "Config":
    """Read the configuration; where it is wrong, the command hears of it that is to hear of every end."""
    try:
        return load_config(options)
    except UsageError:
        from pipeline.config import find_on_finish  # noqa: PLC0415  as above

        command = find_on_finish(options.config, options.set)
        if command is None:
            raise
        from pipeline.cli.progress import open_listener  # noqa: PLC0415
        from pipeline.run.history import notify_at_end  # noqa: PLC0415

        with open_listener(options) as listener, notify_at_end(command, listener.says):
            raise


def _begin_imports(config: "Config") -> None:
    """Let the workers of this machine import what they need beside this process: both take a second or two."""
    from pipeline.cluster.child import start_fork_server  # noqa: PLC0415  as above
    from pipeline.prepare import PRELOAD  # noqa: PLC0415

    if not config.cluster.is_remote:
        start_fork_server(PRELOAD)
