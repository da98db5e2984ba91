"""Traces as OpenTelemetry's: out to any backend that speaks OTLP, in from other frameworks."""
