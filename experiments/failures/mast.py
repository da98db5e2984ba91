"""The failure modes of MAST (Cemri et al. 2025, "Why Do Multi-Agent LLM Systems Fail?", arXiv 2503.13657): 14 modes in
three categories, by the short names that traces use for them."""

from __future__ import annotations

from msgspec import Struct

SPECIFICATION, MISALIGNMENT, VERIFICATION = "Specification issues", "Inter-agent misalignment", "Task verification"


class Mode(Struct, frozen=True):
    """`code` and `name` are the paper's."""

    code: str
    name: str
    category: str


MODES: dict[str, Mode] = {
    "disobeys_task": Mode("FM-1.1", "Disobey task specification", SPECIFICATION),
    "disobeys_role": Mode("FM-1.2", "Disobey role specification", SPECIFICATION),
    "repeats_step": Mode("FM-1.3", "Step repetition", SPECIFICATION),
    "loses_history": Mode("FM-1.4", "Loss of conversation history", SPECIFICATION),
    "unaware_of_end": Mode("FM-1.5", "Unaware of termination conditions", SPECIFICATION),
    "resets": Mode("FM-2.1", "Conversation reset", MISALIGNMENT),
    "doesnt_ask": Mode("FM-2.2", "Fail to ask for clarification", MISALIGNMENT),
    "derails": Mode("FM-2.3", "Task derailment", MISALIGNMENT),
    "withholds": Mode("FM-2.4", "Information withholding", MISALIGNMENT),
    "ignores": Mode("FM-2.5", "Ignored other agent's input", MISALIGNMENT),
    "says_not_does": Mode("FM-2.6", "Reasoning-action mismatch", MISALIGNMENT),
    "ends_early": Mode("FM-3.1", "Premature termination", VERIFICATION),
    "incomplete_check": Mode("FM-3.2", "No or incomplete verification", VERIFICATION),
    "wrong_check": Mode("FM-3.3", "Incorrect verification", VERIFICATION),
}

CARELESS = ("disobeys_task", "says_not_does", "ignores", "doesnt_ask")

LABELS: dict[str, tuple[str, ...]] = {
    "careless": (*CARELESS, "yields"),
    "repeats": ("repeats_step", "loses_history", "resets"),
    "refuses": (),
    "oversteps": (),
    **{name: (name,) for name in MODES},
}
"""Label → the modes that it can stand for: what they leave in a trace is the same, so rules cannot tell them apart.
`careless` is a step done wrongly by an agent that had what it needed; `repeats` a call made again. `refuses` (an agent
that declines to work) and `yields` (one that gives up a right value since others hold another, or find fault with it)
are not in MAST, nor does it tell `oversteps` (an act that must not be made) from other disobedience."""
