"""How columns were distributed in training."""

import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.artifact import Histogram

HISTOGRAM_BINS = 10


def histogram(column: NDArray[np.float64]) -> Histogram:
    """Deciles of a column in training, with how many values lie in each."""
    column = column[~np.isnan(column)]
    if not len(column):
        return Histogram(edges=(), counts=())
    edges = np.unique(np.quantile(column, np.linspace(0, 1, HISTOGRAM_BINS + 1)))
    if len(edges) == 1:
        return Histogram(edges=(float(edges[0]),) * 2, counts=(len(column),))
    counts, edges = np.histogram(column, bins=edges)
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))
