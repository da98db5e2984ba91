"""How a team works together, in the measures of Kim et al. 2025, "Towards a Science of Scaling Agent Systems"
(arXiv 2512.08296, section 4.1, "Metrics"), and some of our own: pure functions over the records of runs.

The formulas of overhead, efficiency, error amplification and message density are the paper's. What goes into them is
ours where the paper leaves it open: a turn is a model call of any agent and purpose, retries of unreadable replies
among them; a failure is a run that its graders did not pass. Redundancy is another measure than the paper's.

`of_run` reads one run; `of_teams` puts the runs of each team together, beside those of the single agent.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from agents.models.simulated.index import Index
from experiments.judging.reviews import looks
from traces.kernel import Chat, Evaluated, MessageSent, Record, RunStarted, ToolExecuted

WORK = ("act",)
"""The purposes of model calls that are the work itself; all others plan, bid, ask, review, check, decide or vote."""


class RunMeasures(Struct, frozen=True):
    """One run. `turns` are model calls; `coordination_tokens` those of `tokens` that were not spent on the work itself;
    `repeated` of `tool_calls` were made before in the run with the same arguments, by whomever. The last five count
    reviews of others' work and looks at one's own: shown wrong work (`wrong_*`) and not let through (`caught_*`), and
    right work sent back; all 0 where the case's solution was not given."""

    run: int
    team: str
    engine: str
    case: str
    trial: int
    success: bool
    turns: int
    tokens: int
    coordination_tokens: int
    messages: int
    tool_calls: int
    repeated: int
    wrong_shown: int = 0
    caught: int = 0
    right_shown: int = 0
    false_alarms: int = 0
    wrong_own: int = 0
    caught_own: int = 0


class TeamMeasures(Struct, frozen=True):
    """A team on an engine. None: cannot be said (no baseline, nothing to divide by).

    turns:               T, mean model calls per run
    overhead:            O = (T - T_solo) / T_solo, as a fraction (Kim et al. 2025 give it in percent)
    efficiency:          E_c = S / (T / T_solo), S the share of successes (Kim et al. 2025)
    error_amplification: A_e = E / E_solo, E = 1 - S the probability that a run fails (Kim et al. 2025: above 1, the
                         team makes more of errors than one agent; below, it corrects them)
    message_density:     c, messages between agents per turn (Kim et al. 2025)
    coordination:        ours: the share of tokens that was not spent on the work itself
    redundancy:          ours: the share of tool calls that had been made before in the run, by whomever. R of Kim et
                         al. 2025 is the mean cosine similarity of the agents' outputs' embeddings: how far they agree.
                         The two are not comparable
    catch_rate:          of the reviews that were shown somebody's wrong work, the share that did not let it pass
    false_alarm_rate:    of those that were shown right work, the share that sent it back
    own_catch_rate:      the catch rate of looks at one's own work
    """

    team: str
    engine: str
    runs: int
    turns: float
    overhead: float | None
    efficiency: float | None
    error_amplification: float | None
    message_density: float | None
    coordination: float | None
    redundancy: float | None
    catch_rate: float | None
    false_alarm_rate: float | None
    own_catch_rate: float | None


def of_run(records: Sequence[Record], index: Index | None = None) -> RunMeasures | None:
    """The measures of one run from its records, in order; None for a run that has no start. `index`: the case's, for
    what its reviews were worth."""
    started = next((r.event for r in records if isinstance(r.event, RunStarted)), None)
    if started is None:
        return None
    chats = [r.event for r in records if isinstance(r.event, Chat)]
    graded = [r.event for r in records if isinstance(r.event, Evaluated) and not r.event.error]
    tool_calls, repeated = _tool_calls(records)
    run = started.run
    reviews = looks(records, index) if index is not None else []
    others, own = [r for r in reviews if not r.own], [r for r in reviews if r.own]
    return RunMeasures(
        run=records[0].run,
        team=run.team,
        engine=run.engine,
        case=run.case,
        trial=run.trial,
        success=bool(graded) and graded[-1].success,
        turns=len(chats),
        tokens=sum(chat.usage.tokens for chat in chats),
        coordination_tokens=sum(chat.usage.tokens for chat in chats if chat.purpose not in WORK),
        messages=sum(isinstance(r.event, MessageSent) for r in records),
        tool_calls=tool_calls,
        repeated=repeated,
        wrong_shown=sum(bool(r.wrong) for r in others),
        caught=sum(r.caught for r in others),
        right_shown=sum(not r.wrong for r in others),
        false_alarms=sum(r.false_alarm for r in others),
        wrong_own=sum(bool(r.wrong) for r in own),
        caught_own=sum(r.caught for r in own),
    )


def _tool_calls(records: Iterable[Record]) -> tuple[int, int]:
    """How many calls there were, and how many of them repeat an earlier one that came off."""
    made: set[tuple[str, str]] = set()
    count = repeated = 0
    for record in records:
        event = record.event
        if isinstance(event, ToolExecuted):
            key = (event.tool, json.dumps(event.arguments, sort_keys=True, default=str))
            count += 1
            repeated += key in made
            if event.ok:
                made.add(key)
    return count, repeated


def of_teams(runs: Iterable[RunMeasures], baseline: str = "solo") -> dict[tuple[str, str], TeamMeasures]:
    """(team, engine) → its measures, in the order in which the runs have them. The single agent is `baseline` on the
    same engine where it ran there, else on whichever it did."""
    groups: dict[tuple[str, str], list[RunMeasures]] = defaultdict(list)
    for run in runs:
        groups[run.team, run.engine].append(run)
    anywhere = next((group for (team, _), group in groups.items() if team == baseline), [])
    return {
        (team, engine): _of_team(group, groups.get((baseline, engine), anywhere))
        for (team, engine), group in groups.items()
    }


def _of_team(runs: list[RunMeasures], solo: list[RunMeasures]) -> TeamMeasures:
    turns, success = _mean(runs, "turns"), _mean(runs, "success")
    solo_turns = _mean(solo, "turns") if solo else math.nan
    solo_failed = 1 - _mean(solo, "success") if solo else math.nan
    return TeamMeasures(
        team=runs[0].team,
        engine=runs[0].engine,
        runs=len(runs),
        turns=turns,
        overhead=ratio(turns - solo_turns, solo_turns),
        efficiency=ratio(success * solo_turns, turns),
        error_amplification=ratio(1 - success, solo_failed),
        message_density=ratio(_sum(runs, "messages"), _sum(runs, "turns")),
        coordination=ratio(_sum(runs, "coordination_tokens"), _sum(runs, "tokens")),
        redundancy=ratio(_sum(runs, "repeated"), _sum(runs, "tool_calls")),
        catch_rate=ratio(_sum(runs, "caught"), _sum(runs, "wrong_shown")),
        false_alarm_rate=ratio(_sum(runs, "false_alarms"), _sum(runs, "right_shown")),
        own_catch_rate=ratio(_sum(runs, "caught_own"), _sum(runs, "wrong_own")),
    )


def ratio(part: float, whole: float) -> float | None:
    """A quotient; None where there is nothing to divide by, or no baseline."""
    value = part / whole if whole else math.nan
    return None if math.isnan(value) else value


def _sum(runs: Iterable[RunMeasures], field: str) -> float:
    return float(sum(getattr(run, field) for run in runs))


def _mean(runs: Sequence[RunMeasures], field: str) -> float:
    return _sum(runs, field) / len(runs)
