"""What `make bench-operator` runs; no file called operator.py, which would hide Python's own."""
