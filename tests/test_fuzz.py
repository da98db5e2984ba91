"""A slice of `python -m benchmarks.fuzz`, with the same inputs each time."""

from __future__ import annotations

import pytest

from benchmarks.fuzz import fuzz, targets

INPUTS = {"forms": 400}
DEFAULT = 200


@pytest.mark.parametrize("target", targets())
def test_no_mutated_input_crashes_or_hangs(target: str) -> None:
    outcome = fuzz(target, INPUTS.get(target, DEFAULT))
    assert [fault.text for fault in outcome.faults[:3]] == []
    assert len(outcome.words) > 1, "the mutations do too little, or too much"
