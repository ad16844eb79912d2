"""
The scikit-learn model server that a ModelServer's pods run: one process, one model.

`__main__` reads `settings`, builds the application with `app.create_app` and runs it in
`server.Server`. While the port is already open, `loading.load` turns an `artifact` into a
`model.ServedModel`: bytes checked against their digests, parsed, compared with the recorded
golden examples, given the fastest of the `engines` that agrees with scikit-learn. A request
passes `protocol` (bytes on a socket), `gate` (identity, limits, metrics) and one function of
`routes`, which decodes with `codec`, asks the model and encodes the answer. Every failure is a
class in `errors`; `error_responses` is the one table that gives it a status code. `packing` makes
the artifacts, and `commands` is the `modelserver` command around all of it.

Read in this order: errors, settings, artifact, loading, model, codec, gate, routes/predict, app,
server.
"""

__version__ = "0.1.0"
