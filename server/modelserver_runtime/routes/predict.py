"""The project's own prediction API: one row, or a batch of them."""

from modelserver_runtime.codec import encode_batch, encode_one
from modelserver_runtime.exchange import Answer, Exchange
from modelserver_runtime.gate import HotRoute
from modelserver_runtime.serving import Serving


def predict_routes(serving: Serving) -> dict[str, HotRoute]:
    """`POST /predict` and `POST /batch-predict`."""

    async def predict(exchange: Exchange) -> Answer:
        exchange.require_json()
        ready = serving.require()
        rows = await serving.decode(ready.codec.decode_row, await exchange.body())
        return Answer(200, encode_one(await serving.predict(rows)))

    def predict_at_once(exchange: Exchange) -> Answer | None:
        ready = serving.inline
        body = None if ready is None else exchange.body_at_once()
        if ready is None or body is None or exchange.scope["method"] != "POST":
            return None
        exchange.require_json()
        return Answer(200, encode_one(serving.predict_inline(ready, ready.codec.decode_row(body))))

    async def batch_predict(exchange: Exchange) -> Answer:
        exchange.require_json()
        ready = serving.require()
        rows = await serving.decode(ready.codec.decode_batch, await exchange.body())
        outcome = await serving.predict(rows)
        return Answer(200, await serving.encode(encode_batch, outcome))

    return {
        "/predict": HotRoute("predict", predict, predict_at_once),
        "/batch-predict": HotRoute("batch-predict", batch_predict),
    }
