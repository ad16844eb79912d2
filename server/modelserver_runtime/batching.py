"""One worker thread for slow models and big requests; what waits for it becomes its next batch."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.engines import Outcome, Rows
from modelserver_runtime.errors import Overloaded

T = TypeVar("T")

BATCH_ROWS = 1024


@dataclass(eq=False)
class _Work:
    """A request in the queue: its rows, what is answered of them, and who waits."""

    rows: Rows
    done: asyncio.Future[Outcome]
    answered: list[Outcome] = field(default_factory=list)
    taken: int = 0

    @property
    def left(self) -> int:
        return len(self.rows) - self.taken


@dataclass(frozen=True, eq=False)
class _Slice:
    work: _Work
    rows: Rows


class Batcher:
    """
    Runs the model in one thread.

    There is no timer: while a batch runs, requests gather, and together they are the next batch.

    Args:
        run: answers a batch; called in the thread.
        max_waiting_rows: more than that in the queue is refused.
        seconds: how long a request may take, waiting included.
        slice_rows: of a big request in one batch: the next small one waits for no more than this.
    """

    def __init__(
        self,
        run: Callable[[Rows], Outcome],
        *,
        max_waiting_rows: int,
        seconds: float,
        slice_rows: int = BATCH_ROWS,
    ) -> None:
        self._run = run
        self._slice_rows = slice_rows
        self._max_waiting_rows = max_waiting_rows
        self._seconds = seconds
        self._waiting: deque[_Work] = deque()
        self._alone: deque[_Slice] = deque()
        self._waiting_rows = 0
        self._busy = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._codec = ThreadPoolExecutor(1, thread_name_prefix="codec")

    async def predict(self, rows: Rows) -> Outcome:
        """
        Answer *rows* in the worker.

        Raises:
            Overloaded: too much is waiting, or it took too long.
        """
        if self._waiting_rows + len(rows) > self._max_waiting_rows:
            raise Overloaded("too many rows are waiting to be predicted; try again")
        work = _Work(rows, asyncio.get_running_loop().create_future())
        self._waiting.append(work)
        self._waiting_rows += len(rows)
        self._next()
        try:
            async with asyncio.timeout(self._seconds):
                return await work.done
        except TimeoutError:
            raise Overloaded("the prediction took too long; try again") from None

    async def convert(self, function: Callable[[], T]) -> T:
        """Inflate, decode or encode something big beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._codec, function)

    def close(self) -> None:
        """Take no more work."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        self._codec.shutdown(wait=False, cancel_futures=True)

    def _next(self) -> None:
        """Give the worker what waits, unless it is busy."""
        if self._busy:
            return
        batch = self._take_alone() or self._take_batch()
        if not batch:
            return
        self._busy = True
        loop = asyncio.get_running_loop()
        task = loop.run_in_executor(self._worker, _run_together, self._run, batch)
        task.add_done_callback(lambda done: self._finish(batch, done))

    def _take_alone(self) -> list[_Slice]:
        """The next slice of a failed batch that somebody still waits for, by itself."""
        while self._alone:
            part = self._alone.popleft()
            if not part.work.done.done():
                return [part]
        return []

    def _take_batch(self) -> list[_Slice]:
        """One slice of every request in turn, until the batch is full."""
        batch: list[_Slice] = []
        room = BATCH_ROWS
        for _ in range(len(self._waiting)):
            work = self._waiting.popleft()
            if work.done.done():  # its client has been told that it took too long
                self._waiting_rows -= work.left
                continue
            if room <= 0:
                self._waiting.appendleft(work)
                break
            rows = work.rows[work.taken : work.taken + self._slice_rows]
            work.taken += len(rows)
            self._waiting_rows -= len(rows)
            room -= len(rows)
            batch.append(_Slice(work, rows))
            if work.left:
                self._waiting.append(work)
        return batch

    def _finish(self, batch: list[_Slice], done: "asyncio.Future[list[Outcome]]") -> None:
        self._busy = False
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            for part, outcome in zip(batch, done.result(), strict=True):
                _settle(part.work, outcome)
        elif len(batch) == 1:
            _fail(batch[0].work, error)
        else:
            # One request's rows must not spoil the others': each is asked again, alone.
            self._alone.extend(batch)
        self._next()


def _settle(work: _Work, outcome: Outcome) -> None:
    work.answered.append(outcome)
    if not work.done.done() and sum(len(a.predictions) for a in work.answered) == len(work.rows):
        work.done.set_result(_joined(work.answered))


def _fail(work: _Work, error: BaseException) -> None:
    if not work.done.done():
        work.done.set_exception(error)


def _run_together(run: Callable[[Rows], Outcome], batch: list[_Slice]) -> list[Outcome]:
    """Answer all slices as one batch; in the thread."""
    if len(batch) == 1:
        return [run(batch[0].rows)]
    together = run(np.concatenate([part.rows for part in batch]))
    outcomes: list[Outcome] = []
    start = 0
    for part in batch:
        outcomes.append(together.of(slice(start, start + len(part.rows))))
        start += len(part.rows)
    return outcomes


def _joined(outcomes: list[Outcome]) -> Outcome:
    if len(outcomes) == 1:
        return outcomes[0]
    return Outcome(
        np.concatenate([o.predictions for o in outcomes]),
        _stacked([o.probabilities for o in outcomes]),
        _stacked([o.confidence for o in outcomes]),
    )


def _stacked(parts: list[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if present else None
