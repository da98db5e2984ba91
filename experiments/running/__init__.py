"""Runs, from the plan to the last event: where they are done, stopped, gone on with."""
