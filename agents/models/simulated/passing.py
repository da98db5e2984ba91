"""What is lost where one agent passes on to another what it knows: each fact may be left out or come out bent.

Nothing is lost between an agent and itself, whatever team it is in; each hand-over is a hop, and draws anew. Who writes
a longer report, or has more in front of it, loses more.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from agents.models.simulated import noise
from agents.models.simulated.difficulty import Difficulty
from agents.models.simulated.profile import Profile
from agents.models.simulated.view import View, note
from tasks.reading import Known
from traces.kernel import Fault

UNKNOWN = "unknown"


def notes(
    names: Iterable[str], view: View, profile: Profile, difficulty: Difficulty, rng: random.Random
) -> tuple[list[str], Fault | None]:
    """The lines in which these facts are passed on, and the first error in them, if any."""
    lines, fault = [], None
    for name in names:
        known, step = view.beliefs[name], view.index.finder[name]
        rate = min(0.95, profile.handover.loss * profile.crowded(view.tokens))
        if known.value == UNKNOWN or rng.random() >= difficulty.error(rate, step.id):
            lines.append(note(name, known))
        elif rng.random() < profile.handover.bent:
            wrong = noise.wrong_fact(step, name, rng)
            lines.append(note(name, Known(wrong, known.source)))
            fault = fault or (
                Fault("says_not_does", step.id, f"passed {name} on wrongly") if wrong != known.value else None
            )
        else:
            fault = fault or Fault("withholds", step.id, f"left out {name}")
    return lines, fault
