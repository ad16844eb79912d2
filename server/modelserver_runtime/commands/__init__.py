"""
The `modelserver` command: makes, verifies, shows, fetches and serves artifacts.

One module a command. Each imports what it computes with when it runs, so that `--help`, `digest`
and `fetch` start at once.
"""

from collections.abc import Sequence

import typer

from modelserver_runtime import __version__
from modelserver_runtime.commands import digest, fetch, inspect, manifest, pack, serve, verify
from modelserver_runtime.commands.exit_codes import EPILOG, exit_code
from modelserver_runtime.commands.terminal import quiet_logs, say_why
from modelserver_runtime.errors import LoadError, NotPackable, SettingError

app = typer.Typer(
    name="modelserver",
    help="Make, verify, look into and serve artifacts: folders with one model and the manifest"
    " that pins every byte of it.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command()(pack.pack)
app.command(epilog=EPILOG)(verify.verify)
app.command()(inspect.inspect)
app.command()(digest.digest)
app.command()(fetch.fetch)
app.command()(serve.serve)
app.command()(manifest.manifest)


@app.callback(invoke_without_command=True)
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version and end."),  # noqa: FBT001, FBT003 - typer's way to declare a flag
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments* (default: the process's own); returns its exit code."""
    try:
        with quiet_logs():
            app(args=arguments, prog_name="modelserver")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except (LoadError, NotPackable, SettingError, OSError) as error:
        say_why(error)
        return exit_code(error)
    return 0
