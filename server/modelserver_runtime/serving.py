"""What this process is doing: starting, serving, failed or draining; the routes ask here."""

import asyncio
import ctypes
import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from modelserver_runtime.batching import BATCH_ROWS, Batcher
from modelserver_runtime.codec import Codec
from modelserver_runtime.engines import Outcome, OutOfRange, Rows
from modelserver_runtime.errors import (
    InvalidRequest,
    LoadError,
    LoadTimeout,
    ModelAbsent,
    ModelLoadFailed,
    ModelNotFound,
    ModelUnavailable,
)
from modelserver_runtime.metrics import Metrics
from modelserver_runtime.model import ServedModel
from modelserver_runtime.settings import Settings

log = structlog.get_logger()

T = TypeVar("T")

INLINE_ROWS = 64
"""Requests of more rows go to the worker thread, so that they do not stall small ones."""

INLINE_BYTES = 64 * 1024
"""Bodies of more bytes are inflated and decoded beside the event loop, for the same reason."""

WAITING_BATCHES = 64
"""Requests of the largest size that may wait for the worker."""

SLICE_SECONDS = 0.005
"""How long one slice of a big request may keep the worker from the small requests that wait."""

INLINE_SECONDS = 0.0002
"""
What one request may cost on the event loop.

A thread and back costs about half of that; and a model whose cost is mostly per call gains more
from batches than it loses by waiting.
"""


@dataclass(frozen=True, eq=False)
class Ready:
    """
    A model with what it takes to ask it.

    Args:
        inline_rows: requests of at most so many rows are answered on the event loop.
    """

    model: ServedModel
    codec: Codec
    batcher: Batcher
    inline_rows: int


class Serving:
    """
    The state of one runtime process.

    Args:
        settings: what it was told to do.
        load: how a model comes into being; runs once, in a thread of its own.
    """

    def __init__(self, settings: Settings, load: Callable[[Settings], ServedModel]) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.failure: LoadError | None = None
        self.draining = False
        self._load = load
        self._ready: Ready | None = None

    async def start(self) -> None:
        """Load the model; afterwards either `ready` answers or `failure` says why not."""
        limit = self.settings.load_timeout_seconds
        try:
            async with asyncio.timeout(limit):
                model = await _in_daemon_thread(lambda: self._load(self.settings))
        except TimeoutError:
            self.failure = LoadTimeout(limit)
        except LoadError as error:
            self.failure = error
        except Exception as error:  # libraries have their own; untold, it would load for ever
            log.exception("loading broke")
            self.failure = ModelLoadFailed(f"loading broke with {type(error).__name__}")
        else:
            self._ready = self._ready_with(model)
            self.metrics.model = model
            settle_memory()
            return
        gc.enable()
        log.error("model not loaded", reason=self.failure.reason, message=str(self.failure))

    def stop(self) -> None:
        """Take no more predictions."""
        if self._ready is not None:
            self._ready.batcher.close()

    def _ready_with(self, model: ServedModel) -> Ready:
        settings = self.settings
        batcher = Batcher(
            model.predict,
            max_waiting_rows=settings.max_batch_rows * WAITING_BATCHES,
            seconds=settings.request_timeout_seconds,
            slice_rows=max(1, model.cost.rows_within(SLICE_SECONDS, at_most=BATCH_ROWS)),
        )
        codec = Codec(model.manifest.signature, max_rows=settings.max_batch_rows)
        inline_rows = model.cost.rows_within(INLINE_SECONDS, at_most=INLINE_ROWS)
        log.info("serving", model=model.name, inline_rows=inline_rows)
        return Ready(model, codec, batcher, inline_rows)

    @property
    def ready(self) -> Ready | None:
        """The model with what it takes to ask it, once it may be served."""
        return self._ready

    @property
    def model(self) -> ServedModel | None:
        """The model, once it may be served."""
        return self._ready.model if self._ready else None

    @property
    def inline(self) -> Ready | None:
        """The same, if one row is answered on the event loop."""
        ready = self._ready
        return ready if ready is not None and ready.inline_rows > 0 else None

    def not_ready_reason(self) -> str | None:
        """Why /ready says no; None while it says yes."""
        if self.draining:
            return "Draining"
        if self.failure is not None:
            return self.failure.reason
        return None if self._ready else "Loading"

    def require(self) -> Ready:
        """
        The model and its codec.

        Raises:
            ModelAbsent, ModelUnavailable.
        """
        if self._ready is not None:
            return self._ready
        if isinstance(self.failure, ModelNotFound):
            raise ModelAbsent("the model's file does not exist on this server")
        if self.failure is not None:
            raise ModelUnavailable(f"the model could not be loaded: {self.failure.reason}")
        raise ModelUnavailable("the model is still being loaded")

    async def predict(self, rows: Rows) -> Outcome:
        """
        Answer *rows*: on the event loop when that is quick, else in the worker.

        Raises:
            InvalidRequest: too many rows, or values that the model cannot compute with.
            Overloaded: the worker has too much to do.
        """
        ready = self.require()
        count = len(rows)
        if count > self.settings.max_batch_rows:
            raise InvalidRequest(
                f"{count} rows, but one request may have {self.settings.max_batch_rows}"
            )
        if count <= ready.inline_rows:
            return self.predict_inline(ready, rows)
        self.metrics.batch_rows.observe(count)
        try:
            return await ready.batcher.predict(rows)
        except OutOfRange as error:
            raise InvalidRequest(str(error)) from None

    def predict_inline(self, ready: Ready, rows: Rows) -> Outcome:
        """
        Answer at most `inline_rows` of *ready* on the event loop.

        Raises:
            InvalidRequest: values that the model cannot compute with.
        """
        self.metrics.batch_rows.observe(len(rows))
        try:
            return ready.model.predict(rows)
        except OutOfRange as error:
            raise InvalidRequest(str(error)) from None

    async def decode(self, function: Callable[[bytes], T], body: bytes) -> T:
        """Decode *body*, beside the event loop when it is big."""
        if len(body) <= INLINE_BYTES:
            return function(body)
        return await self.beside(partial(function, body))

    async def encode(self, function: Callable[[Outcome], T], outcome: Outcome) -> T:
        """Encode *outcome*, beside the event loop when it is big."""
        if len(outcome.predictions) <= INLINE_ROWS:
            return function(outcome)
        return await self.beside(partial(function, outcome))

    async def beside(self, function: Callable[[], T]) -> T:
        """Call *function* beside the event loop, where one is called at a time."""
        return await self.require().batcher.convert(function)


def settle_memory() -> None:
    """What is there now lives as long as the process: no later collection need visit it."""
    gc.collect()
    gc.freeze()
    gc.enable()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only the GNU C library has it
    if trim is not None:
        trim(0)


async def _in_daemon_thread(work: Callable[[], T]) -> T:
    """Run *work* in a thread that does not keep the process alive when it hangs."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed over: it is raised where it is awaited
            loop.call_soon_threadsafe(settle, None, error)
        else:
            loop.call_soon_threadsafe(settle, result, None)

    threading.Thread(target=run, name="load", daemon=True).start()
    return await done
