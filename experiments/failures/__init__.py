"""Why runs failed, held against the reference solution."""
