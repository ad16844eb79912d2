"""The schema is the model's own, every example of it works, and pages need no internet."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

PREDICTIONS = {
    "/predict",
    "/batch-predict",
    "/invocations",
    "/v1/models/{name}:predict",
    "/v2/models/{name}/infer",
    "/v2/models/{name}/versions/{version}/infer",
}


async def schema_of(client: httpx.AsyncClient) -> dict[str, Any]:
    """OpenAPI of the application."""
    schema: dict[str, Any] = (await client.get("/openapi.json")).json()
    return schema


def filled(path: str, operation: dict[str, Any]) -> str:
    """The path with the parameters that the schema itself allows."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["schema"]["enum"][0])
    return path


def examples(operation: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every example of a body, with its content type."""
    for content_type, content in operation["requestBody"]["content"].items():
        for example in content.get("examples", {}).values():
            yield content_type, example["value"]


async def test_every_example_can_be_sent_as_it_is(client: httpx.AsyncClient) -> None:
    """On every prediction route, in every format."""
    schema = await schema_of(client)
    sent = 0
    assert {path for path, item in schema["paths"].items() if "post" in item} == PREDICTIONS
    for path in PREDICTIONS:
        operation = schema["paths"][path]["post"]
        for content_type, example in examples(operation):
            body = {"content": example} if isinstance(example, str) else {"json": example}
            headers = {"content-type": content_type}
            answer = await client.post(filled(path, operation), headers=headers, **body)
            assert answer.status_code == 200, (path, answer.text)
            sent += 1
    assert sent == 13


async def test_every_get_route_answers_with_its_example(client: httpx.AsyncClient) -> None:
    """Names and versions are those of the model."""
    schema = await schema_of(client)
    paths = {path: item["get"] for path, item in schema["paths"].items() if "get" in item}
    assert {"/", "/health", "/ready", "/ping", "/version", "/metrics", "/v1/models", "/v2"} <= set(
        paths
    )
    for path, operation in paths.items():
        assert (await client.get(filled(path, operation))).status_code == 200


async def test_the_schema_is_typed_from_the_signature(client: httpx.AsyncClient) -> None:
    """Real names; nothing else is taken."""
    schema = await schema_of(client)
    features = schema["components"]["schemas"]["Features"]
    assert list(features["properties"]) == [f"feature_{i}" for i in range(1, 31)]
    assert features["additionalProperties"] is False
    assert features["properties"]["feature_1"]["title"] == "mean radius"
    assert schema["info"]["title"] == "breast-cancer"


async def test_errors_are_described_where_they_may_come(client: httpx.AsyncClient) -> None:
    """FastAPI's 422 is never answered, and not described."""
    schema = await schema_of(client)
    for item in schema["paths"].values():
        for operation in item.values():
            assert "422" not in operation["responses"]
    wanted = {"200", "400", "401", "403", "404", "405", "406", "408", "413", "414", "415", "429",
              "431", "500", "503"}  # fmt: skip
    for path in PREDICTIONS:
        assert set(schema["paths"][path]["post"]["responses"]) == wanted


@pytest.mark.parametrize("page", ["/", "/docs", "/redoc"])
async def test_pages_need_no_internet(client: httpx.AsyncClient, page: str) -> None:
    """Every asset is served from here, and the browser is told to load no other."""
    answer = await client.get(page, headers={"accept": "text/html,application/xhtml+xml"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    links = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert links
    for link in links:
        assert link.startswith("/")
        assert (await client.get(link)).status_code == 200


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
    ],
)
async def test_browsers_get_a_page_and_others_json(
    client: httpx.AsyncClient, accept: str | None, content_type: str
) -> None:
    """Caches are told that it depends."""
    headers = {} if accept is None else {"accept": accept}
    answer = await client.get("/", headers=headers)
    assert answer.headers["content-type"].startswith(content_type)
    assert answer.headers["vary"] == "accept"
    if content_type == "application/json":
        assert answer.json()["model"]["name"] == "breast-cancer"
        assert (await client.get(answer.json()["links"]["documentation"])).status_code == 200
