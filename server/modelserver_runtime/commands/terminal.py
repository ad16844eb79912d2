"""Where the command prints: results on standard output, all else on standard error."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from rich.console import Console
from rich.text import Text

from modelserver_runtime.errors import LoadError

# Control characters but tab and newline, and what turns the direction of writing around.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

OUT = Console(highlight=False, markup=False)
ERR = Console(highlight=False, markup=False, stderr=True)


def printable(text: str) -> str:
    """
    *text* with control characters written out, as JSON writes them.

    An artifact of a stranger may hold sequences that a terminal obeys.
    """
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _one_line(sentence: str) -> str:
    return " ".join(printable(sentence).split())


def say_why(error: Exception) -> None:
    """One line: the class of *error*, by which pipelines know it, and its sentence."""
    reason = f"{error.reason}: " if isinstance(error, LoadError) else ""
    begin = (f"modelserver: {reason}", "bold red")
    ERR.print(Text.assemble(begin, _one_line(str(error))), soft_wrap=True)


def warn(sentence: str) -> None:
    """One line about something that the person should know."""
    ERR.print(Text.assemble(("note: ", "bold yellow"), _one_line(sentence)), soft_wrap=True)


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
