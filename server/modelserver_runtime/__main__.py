"""`python -m modelserver_runtime`: serves one model, and ends with a code that says why."""

import argparse
import gc
import os
import sys
from functools import partial
from pathlib import Path

from modelserver_runtime import __version__, last_words
from modelserver_runtime import settings as configuration
from modelserver_runtime.container_mode import mlflow_command
from modelserver_runtime.errors import LoadError, LoadTimeout, SettingError
from modelserver_runtime.lean_imports import import_structlog
from modelserver_runtime.settings import Settings
from modelserver_runtime.watchdog import end_after, watchdog

EXIT_USAGE = 64
EXIT_MODEL = 78
SWITCH_SECONDS = 0.0005  # the event loop waits for the worker thread no longer than this
WATCHDOG_SECONDS = 2.0
END_SECONDS = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Run the process; returns its exit code."""
    _parser().parse_args(arguments)
    try:
        instead = mlflow_command(os.environ)
        if instead is not None:
            instead.run()
        settings = configuration.from_environment()
        _limit_threads()
        gc.disable()  # a start makes a million objects that stay; `Serving` turns it on again
        sys.setswitchinterval(SWITCH_SECONDS)
        return _serve(settings)
    except SettingError as error:  # of a variable, or of a file that one names
        _say_why("InvalidSetting", str(error))
        return EXIT_USAGE


def _serve(settings: Settings) -> int:
    import_structlog()
    # After _limit_threads: numeric libraries read their thread counts when they are imported.
    from modelserver_runtime import logs  # noqa: PLC0415
    from modelserver_runtime.app import create_app  # noqa: PLC0415
    from modelserver_runtime.server import Server  # noqa: PLC0415

    logs.configure(settings)
    server: Server
    # Later than the event loop's own timeout, which ends things in order where it still can.
    timeout = LoadTimeout(settings.load_timeout_seconds)
    watch = partial(
        watchdog,
        settings.load_timeout_seconds + WATCHDOG_SECONDS,
        exit_code=EXIT_MODEL,
        last_words=last_words.line(timeout.reason, str(timeout)) + "\n",
        log=settings.termination_log,
    )

    def end_if_told_to(error: LoadError) -> None:
        if settings.on_load_failure == "exit":
            _say_why(error.reason, str(error))
            server.should_exit = True
            if isinstance(error, LoadTimeout):  # what hangs may yet stop everything else
                end_after(END_SECONDS, EXIT_MODEL)

    app = create_app(settings, on_load_failure=end_if_told_to, watch=watch)
    server = Server(app)
    server.run()
    failed = app.serving.failure is not None and settings.on_load_failure == "exit"
    return EXIT_MODEL if failed else 0


def _say_why(reason: str, message: str) -> None:
    """The file's name comes from the environment: the settings may be what cannot be read."""
    (variable,) = configuration.names_of("termination_log")
    last_words.say_why(reason, message, os.environ.get(variable))


def _limit_threads() -> None:
    """
    Give numeric libraries one thread per CPU we may use.

    More only fight for a quota, and a pod's quota is not its node's CPU count.
    """
    cpus = str(max(1, int(_cpu_quota() or len(os.sched_getaffinity(0)))))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, cpus)


def _cpu_quota() -> float | None:
    """CPUs the control group allows; None without a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").read_text().strip()
            period = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        return float(quota) / float(period) if float(quota) > 0 else None
    except ValueError:  # "max"
        return None


def _parser() -> argparse.ArgumentParser:
    lines = [
        f"  {configuration.names_of(name)[0]:<38} {_default(name)}"
        for name in Settings.model_fields
    ]
    parser = argparse.ArgumentParser(
        prog="python -m modelserver_runtime",
        description="Serve one scikit-learn model over HTTP. Set by environment variables:",
        epilog="\n".join(lines) + "\n\nMODEL_PATH, API_PORT and LOG_LEVEL are understood as well.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def _default(field: str) -> str:
    default = Settings.model_fields[field].default
    if default is None:
        return ""
    return ",".join(default) if isinstance(default, tuple) else str(default)


if __name__ == "__main__":
    sys.exit(main())
