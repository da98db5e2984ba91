"""Simulated models like real ones: fitted to recorded runs, and held against them."""
