"""Where the command prints: results on standard output, all else on standard error."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from rich.console import Console
from rich.text import Text

from modelserver_runtime.errors import LoadError

OUT = Console(highlight=False, markup=False)
ERR = Console(highlight=False, markup=False, stderr=True)


def say_why(error: Exception) -> None:
    """One line: the class of *error*, by which pipelines know it, and its sentence."""
    reason = f"{error.reason}: " if isinstance(error, LoadError) else ""
    ERR.print(Text.assemble((f"modelserver: {reason}", "bold red"), str(error)), soft_wrap=True)


def warn(sentence: str) -> None:
    """One line about something that the person should know."""
    ERR.print(Text.assemble(("note: ", "bold yellow"), sentence), soft_wrap=True)


@contextmanager
def quiet_logs() -> Iterator[None]:
    """The runtime's log lines are for operators of servers; here its results are printed."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)
