"""Runs done again: checked against their record, or with one thing changed."""
