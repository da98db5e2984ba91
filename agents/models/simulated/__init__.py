"""Simulated models: a case's reference plan, followed with the error rates, lengths, latencies and prices of a
profile. They see only the messages that they are sent, and answer in the wire form of a real model."""
