"""The operator's own HTTP: is it alive, is its store full, what has it done."""

import sys
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest


async def serve(
    registry: CollectorRegistry,
    why_not_alive: Callable[[], str],
    why_not_ready: Callable[[], str],
    port: int,
) -> web.AppRunner:
    """
    Serve /healthz, /readyz and /metrics.

    Args:
        registry: what /metrics shows.
        why_not_alive: one sentence for /healthz, empty when a restart would mend nothing.
        why_not_ready: one sentence for /readyz, empty when ready.
        port: TCP, on all addresses; 0 takes a free one.
    """

    async def healthz(_: web.Request) -> web.Response:
        return _verdict(why_not_alive())

    async def readyz(_: web.Request) -> web.Response:
        return _verdict(why_not_ready())

    async def metrics(_: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        return web.Response(body=generate_latest(registry), headers=headers)

    app = web.Application()
    app.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
    except OSError as error:
        await runner.cleanup()
        sys.exit(f"port {port} cannot be used ({error.strerror}): choose another with --port")
    return runner


def _verdict(reason: str) -> web.Response:
    return web.Response(text=f"{reason or 'ok'}\n", status=503 if reason else 200)
