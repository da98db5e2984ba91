"""Speed beside the peers, run by hand or nightly: `python -m benchmarks.NAME [--json]`."""
