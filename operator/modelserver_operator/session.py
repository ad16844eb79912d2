"""HTTP sessions with the API server: the client library's credentials, and a patience of ours."""

import asyncio
from collections.abc import Mapping
from typing import Final

import aiohttp
from kubernetes.aio import client, config

_ANSWER_SECONDS: Final = 8.0


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
