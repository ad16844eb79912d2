"""A histogram as a line of bars."""

import numpy as np

from modelserver_runtime.artifact import Histogram

_BARS = "▁▂▃▄▅▆▇█"


def bars(histogram: Histogram, width: int) -> str:
    """
    How densely the values lie from the least (left) to the greatest (right).

    The bins of a baseline hold about the same number of values each, so what is drawn is how many
    of them fall into each of *width* equal parts of the range. An empty part is a space.
    """
    edges, counts = np.asarray(histogram.edges), np.asarray(histogram.counts, dtype=float)
    if not len(counts) or edges[0] == edges[-1]:
        return _BARS[-1] if len(counts) else ""
    cells = np.linspace(edges[0], edges[-1], width + 1)
    below = np.interp(cells, edges, np.concatenate([[0.0], counts.cumsum()]))
    inside = np.diff(below)
    heights = np.ceil(inside / inside.max() * len(_BARS)).astype(int)
    return "".join(_BARS[height - 1] if height else " " for height in heights)
