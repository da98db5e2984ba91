"""Pools of simulated model servers: what they take, and what they cost."""
