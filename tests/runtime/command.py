"""The `modelserver` command in this process, and what it said."""

import io
import re
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from modelserver_runtime.commands import main


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Standard error in one line, without the frame around a wrong call."""
        return " ".join(re.sub("[─│╭╮╰╯]", " ", self.err).split())


def modelserver(*arguments: object) -> Done:
    """Run the command with *arguments*."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main([str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())
