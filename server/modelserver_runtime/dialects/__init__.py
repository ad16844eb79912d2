"""Bodies of the dialects other servers speak, turned into batches, and answers turned back."""
