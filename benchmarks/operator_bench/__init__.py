"""Parts of `benchmarks/operator.py`."""
