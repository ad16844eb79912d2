"""
The server as a process of its own.

GET /-/requests lists the requests so far; POST /-/faults takes a rule as JSON; DELETE /-/faults
lifts all rules.
"""

import argparse
import asyncio
import dataclasses
from pathlib import Path
from typing import Any

from aiohttp import web

from apiserver import exchange
from apiserver.faults import Rule
from apiserver.server import ApiServer


class Controlled(ApiServer):
    """A server that takes its orders over HTTP."""

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        match request.method, request.path:
            case "GET", "/-/requests":
                records = [dataclasses.asdict(record) for record in self.journal]
                return exchange.answer({"requests": records})
            case "POST", "/-/faults":
                rule: dict[str, Any] = {
                    name: tuple(value) if isinstance(value, list) else value
                    for name, value in (await exchange.body_of(request)).items()
                }
                self.add_faults(Rule(**rule))
                return exchange.answer({})
            case "DELETE", "/-/faults":
                self.lift_faults()
                return exchange.answer({})
            case _:
                return await super()._handle(request)


async def _serve(arguments: argparse.Namespace) -> None:
    async with Controlled(arguments.namespace, port=arguments.port) as server:
        if arguments.kubeconfig:
            server.kubeconfig(arguments.kubeconfig)
        print(server.url, flush=True)  # noqa: T201  - whoever started it must learn the port
        await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="apiserver", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--kubeconfig", type=Path, help="where to write one")
    parser.add_argument("--namespace", action="append", default=["default"])
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
