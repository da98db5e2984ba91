"""Mechanisms: who gets a posting, and for how much. Each is a pure function, in a file with its kin."""

from marketplace.mechanisms.mechanism import Award, Mechanism, Terms
from marketplace.mechanisms.table import MECHANISMS, Known, find

__all__ = ["MECHANISMS", "Award", "Known", "Mechanism", "Terms", "find"]
