"""HTTP sessions with the API server: the client library's credentials, and a patience of ours."""

import asyncio
from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from kubernetes.aio import client, config

_ANSWER_SECONDS: Final = 8.0


class TimelyBody(aiohttp.BytesPayload):
    """
    A body of which no byte leaves once its time is up.

    Between the decision to send a request and its first byte a connection is opened, and others
    have their turn: long enough for the process to be frozen there, and to wake up when what was
    decided no longer holds.

    Args:
        content: the bytes.
        until: on the event loop's clock.
    """

    def __init__(self, content: bytes, until: float) -> None:
        super().__init__(content)
        self._until = until

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Send it, the headers with it; raises TimeoutError where it is too late."""
        if asyncio.get_running_loop().time() >= self._until:
            raise TimeoutError("not sent: its time ran out before the first byte")
        await super().write_with_length(writer, content_length)


async def load_configuration() -> client.Configuration:
    """Take the pod's ServiceAccount, or else the current context of the kubeconfig."""
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration)
    return configuration


def open_session(
    configuration: client.Configuration, headers: Mapping[str, str] | None = None
) -> aiohttp.ClientSession:
    """
    Open a session that is allowed what *configuration* is allowed; the caller closes it.

    A 401 is raised as a broken connection: whoever asks tries again, with the token that is valid
    by then, where kopf would give up. A server that takes a request and says nothing is given up
    after some seconds; once it has begun to answer, it may take its time.
    """

    async def authenticated(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        token = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            request.headers["Authorization"] = token
        async with asyncio.timeout(_ANSWER_SECONDS):
            response = await handler(request)
        if response.status == 401:  # noqa: PLR2004 - Unauthorized
            response.close()
            raise aiohttp.ClientConnectionError("HTTP 401: the credentials were refused")
        return response

    tls = client.rest.RESTClientObject(configuration).ssl_context
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls),
        middlewares=(authenticated,),
        proxy=configuration.proxy,
        headers=headers,
    )
