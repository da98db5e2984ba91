"""Experiments on their way out and in: files, OpenTelemetry, data for training."""
