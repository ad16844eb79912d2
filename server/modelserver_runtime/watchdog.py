"""Ends the process when loading hangs, also in code that holds the interpreter's lock."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CLOCK_MONOTONIC = 1
_SIGEV_THREAD = 2
_STACK_BYTES = 256 * 1024  # the most that a platform demands is 128 KiB
_ATTRIBUTES_BYTES = 128  # of a pthread_attr_t; the largest has 64
_SECONDS_TO_WRITE = 0.5


@contextmanager
def watchdog(
    seconds: float, *, exit_code: int, last_words: str, log: Path | None
) -> Iterator[None]:
    """
    End the process with *exit_code* unless this is left within *seconds*.

    A thread of Python's could not: it needs the lock, and a parser that hangs in compiled code may
    never give it back. Nor could a signal: Python runs its handlers under the lock, and the first
    process of a container ignores signals without one. So libc's own timers call two functions of
    libc's: `fflush`, of streams that hold the last words already, and `_exit`.

    Args:
        seconds: how long what is inside may take.
        exit_code: the process's.
        last_words: written to standard error, and to *log*.
        log: a file, where there is one.
    """
    libc = _libc()
    if libc is None:
        yield
        return
    streams = _streams_of(libc, last_words, log)
    timers = [
        _timer(libc, seconds, libc.fflush, 0),  # 0: all streams
        _timer(libc, seconds + _SECONDS_TO_WRITE, libc._exit, exit_code),  # noqa: SLF001 - libc's
    ]
    try:
        yield
    finally:
        for timer in timers:
            libc.timer_delete(timer)
        for stream in streams:
            libc.__fpurge(stream)  # noqa: SLF001 - the same
            libc.fclose(stream)


def end_after(seconds: float, exit_code: int) -> None:
    """End the process with *exit_code* when it has not ended by itself within *seconds*."""
    libc = _libc()
    if libc is not None:
        _timer(libc, seconds, libc._exit, exit_code)  # noqa: SLF001 - libc's


class _Event(ctypes.Structure):
    """`struct sigevent`, the same in glibc and musl where pointers have eight bytes."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("padding", ctypes.c_byte * 32),
    )


class _Period(ctypes.Structure):
    """`struct itimerspec`."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


def _libc() -> Any:
    """The C library, with what is needed declared; None where it has not all of it."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = ("timer_create", "timer_settime", "timer_delete", "__fpurge", "pthread_attr_init")
    if ctypes.sizeof(ctypes.c_void_p) != 8 or not all(hasattr(libc, n) for n in names):  # noqa: PLR2004
        return None
    for name in ("fopen", "fdopen"):
        getattr(libc, name).restype = ctypes.c_void_p
    for name in ("fputs", "setvbuf", "__fpurge", "fclose", "timer_settime", "timer_delete"):
        getattr(libc, name).argtypes = _ARGUMENTS[name]
    return libc


_ARGUMENTS = {
    "fputs": (ctypes.c_char_p, ctypes.c_void_p),
    "setvbuf": (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t),
    "__fpurge": (ctypes.c_void_p,),
    "fclose": (ctypes.c_void_p,),
    "timer_settime": (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p),
    "timer_delete": (ctypes.c_void_p,),
}


def _streams_of(libc: Any, text: str, log: Path | None) -> list[int]:
    """Streams that will write *text* when they are flushed, and not before."""
    opened = [libc.fdopen(os.dup(2), b"a")]
    if log is not None:
        opened.append(libc.fopen(os.fsencode(log), b"a"))
    streams = [stream for stream in opened if stream]
    content = text.encode()
    for stream in streams:
        libc.setvbuf(stream, None, 0, len(content) + 1)  # 0: no line is written by itself
        libc.fputs(content, stream)
    return streams


def _timer(libc: Any, seconds: float, function: Any, argument: int) -> ctypes.c_void_p:
    """Have libc call *function* in a thread of its own after *seconds*."""
    attributes = (ctypes.c_byte * _ATTRIBUTES_BYTES)()
    libc.pthread_attr_init(attributes)
    libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(_STACK_BYTES))
    event = _Event(
        value=argument,
        notify=_SIGEV_THREAD,
        function=ctypes.cast(function, ctypes.c_void_p),
        attributes=ctypes.addressof(attributes),
    )
    timer = ctypes.c_void_p()
    if libc.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) != 0:
        raise OSError(ctypes.get_errno(), "no timer for the watchdog")
    period = _Period(seconds=int(seconds), nanoseconds=int(seconds % 1 * 1e9))
    libc.timer_settime(timer, 0, ctypes.byref(period), None)
    return timer
