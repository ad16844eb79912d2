"""
Sends predictions to one URL until SIGTERM, and counts each: answered as it should be, or not.

Runs inside the cluster, from the operator's image for its aiohttp. Nothing is sent twice: aiohttp
repeats no POST, and neither do we, so that a request that was lost is counted as lost. Half of the
connections are kept alive until the server closes them, half are made anew for each request: a pod
that leaves must disappoint neither.

Prints its counts as a line of JSON each second; the last has `"done": true`.
"""

import argparse
import asyncio
import json
import signal
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp

TIMEOUT = aiohttp.ClientTimeout(total=30)
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Target:
    """What is sent, and where to."""

    url: str
    body: str
    headers: dict[str, str]
    tls: ssl.SSLContext | bool

    def post(self, session: aiohttp.ClientSession) -> Any:
        """Send it once."""
        return session.post(self.url, data=self.body, headers=self.headers, ssl=self.tls)


@dataclass
class Counts:
    """What has become of the requests so far."""

    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    slowest_seconds: float = 0.0

    def line(self, *, done: bool) -> str:
        """Say it as one line of JSON."""
        return json.dumps(
            {
                "answered": self.answered,
                "failed": dict(self.failed),
                "connections": self.connections,
                "slowest_seconds": round(self.slowest_seconds, 3),
                "done": done,
            }
        )


async def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="what to POST to")
    parser.add_argument("body", help="what to POST, as JSON")
    parser.add_argument("--rate", type=float, default=500, help="requests a second, in all")
    parser.add_argument("--token", default="", help="bearer token to send")
    parser.add_argument("--ca", help="file with the authority that the server's certificate is of")
    parser.add_argument("--clients", type=int, default=32, help="requests at one time, at most")
    arguments = parser.parse_args()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    counts = Counts()
    tls = ssl.create_default_context(cafile=arguments.ca) if arguments.ca else None
    headers = JSON | ({"Authorization": f"Bearer {arguments.token}"} if arguments.token else {})
    target = Target(arguments.url, arguments.body, headers, tls or True)
    expected = await first_answer(target)
    pause = arguments.clients / arguments.rate
    async with asyncio.TaskGroup() as group:
        group.create_task(report(counts, stop))
        for number in range(arguments.clients):
            client = Client(target, expected, counts)
            start = pause * number / arguments.clients
            group.create_task(client.run(stop, start, pause, kept_alive=number % 2 == 0))
    print(counts.line(done=True), flush=True)  # noqa: T201 - the log is the answer


async def first_answer(target: Target) -> Any:
    """Wait until the network has let this new pod in; every later answer must equal this one."""
    deadline = time.monotonic() + 60
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        while True:
            try:
                async with target.post(session) as response:
                    response.raise_for_status()
                    return prediction(await response.json())
            except (aiohttp.ClientError, TimeoutError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)


async def report(counts: Counts, stop: asyncio.Event) -> None:
    """Print the counts each second until *stop*."""
    while not stop.is_set():
        print(counts.line(done=False), flush=True)  # noqa: T201 - the log is the answer
        await asyncio.sleep(1)


@dataclass
class Client:
    """One that sends a request, waits for its answer, and sends the next."""

    target: Target
    expected: Any
    counts: Counts

    async def run(
        self, stop: asyncio.Event, start: float, pause: float, *, kept_alive: bool
    ) -> None:
        """Send a request every *pause* seconds, beginning after *start*, until *stop*."""
        await asyncio.sleep(start)
        connector = aiohttp.TCPConnector(limit=1, force_close=not kept_alive)
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(self.connected)
        async with aiohttp.ClientSession(
            connector=connector, timeout=TIMEOUT, trace_configs=[trace]
        ) as session:
            due = time.monotonic()
            while not stop.is_set():
                await self.send(session)
                due = max(due + pause, time.monotonic())
                await asyncio.sleep(due - time.monotonic())

    async def send(self, session: aiohttp.ClientSession) -> None:
        """Send one request and count what becomes of it."""
        started = time.monotonic()
        try:
            async with self.target.post(session) as response:
                text = await response.text()
            if response.status != 200:
                self.counts.failed[f"{response.status} {text[:200]}"] += 1
            elif prediction(json.loads(text)) != self.expected:
                self.counts.failed[f"another answer: {text[:200]}"] += 1
            else:
                self.counts.answered += 1
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.counts.failed[f"{type(error).__name__}: {error}"] += 1
        self.counts.slowest_seconds = max(self.counts.slowest_seconds, time.monotonic() - started)

    async def connected(self, *_: object) -> None:
        """Count a new connection."""
        self.counts.connections += 1


def prediction(answer: Any) -> Any:
    """Take from an answer what must be the same each time."""
    return answer["prediction"], answer["probability"]


if __name__ == "__main__":
    asyncio.run(main())
