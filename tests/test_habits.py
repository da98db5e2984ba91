"""How agents work inside: plan-then-act, critics, summaries, long-term memory, people, caches and fallbacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents import longterm
from agents.models.model import Request
from agents.models.scripted import ScriptedModel
from agents.models.wrappers import Cached, WithFallback
from experiments.forks.fork import ForkPlan, prepared
from experiments.forks.verify import verify
from experiments.plan import Plan
from experiments.running.conduct import prepare
from experiments.running.trial import Bench
from tests.trials import Done, chats, conducted, do, events, profile, puzzle
from traces.clock import run
from traces.errors import LimitReached, MalformedOutput, ModelError
from traces.kernel import ChatMessage, Event, MessageSent, Noted, Record, ToolExecuted

SCENARIO = "market_brief"


def _with(folder: Path, habits: str, model: str = "sim:oracle", shape: str = "solo", **plan: object) -> list[Done]:
    path = folder / "mine.yaml"
    path.write_text(f"shape: {shape}\nagent: {{{habits}}}\n")
    return do(Plan(**{"scenario": SCENARIO, "teams": (str(path),), "model": model, "cases": 8, "trials": 1, **plan}))  # type: ignore[arg-type]


def _notes(done: list[Done], kind: str) -> list[Noted]:
    return [e for _, recorder in done for e in events(recorder) if isinstance(e, Noted) and e.kind == kind]


@pytest.mark.parametrize("shape", ["solo", "supervisor"])
@pytest.mark.parametrize(
    "habits",
    [
        "plan_first: true",
        "check: critic",
        "check: none",
        "remember: true",
        "escalate: true",
        "cache: true",
        "memory: summary",
    ],
)
def test_the_oracle_solves_its_cases_with_every_habit(habits: str, shape: str, tmp_path: Path) -> None:
    done = _with(tmp_path, habits, shape=shape)
    assert [o.case for o, _ in done if not o.success] == []


def test_plan_first_plans_before_it_acts(tmp_path: Path) -> None:
    for _, recorder in _with(tmp_path, "plan_first: true", cases=3):
        purposes = [chat.purpose for chat in chats(recorder)]
        assert purposes[0] == "plan"
        assert purposes.count("plan") == 1


def test_a_critic_is_another_agent_who_sends_work_back(tmp_path: Path) -> None:
    done = _with(tmp_path, "check: critic", "sim:small", trials=2)
    said = [e.message for _, r in done for e in events(r) if isinstance(e, MessageSent)]
    assert {m.sender for m in said} == {"solo", "critic"}
    assert {m.kind for m in said} == {"review", "problems", "accepted"}
    assert all(c.agent == "critic" for _, r in done for c in chats(r) if c.purpose == "review")


def test_a_summary_keeps_the_work_within_a_small_window(tmp_path: Path) -> None:
    """In a window that its work doesn't fit into, an agent that sums up forgets less than one that leaves out."""
    model = profile(tmp_path / "narrow.yaml", context_window=5000)
    cut = _with(tmp_path, "memory: window, check: none", model, cases=None)
    summed = _with(tmp_path, "memory: summary, check: none", model, cases=None)
    assert _notes(cut, "context_cut")
    assert _notes(summed, "summed_up")
    assert sum(o.success for o, _ in summed) > sum(o.success for o, _ in cut)
    for _, recorder in [*cut, *summed]:
        assert all(chat.usage.input_tokens <= 5000 for chat in chats(recorder))


def test_memory_over_cases_saves_searches_and_says_where_a_fact_is_from(tmp_path: Path) -> None:
    fresh = _with(tmp_path, "check: none", cases=None)
    remembering = _with(tmp_path, "remember: true, check: none", cases=None)
    assert _searches(remembering) < _searches(fresh)
    assert "(run 0, " in _notes(remembering, "recalled")[0].text
    assert not _notes(fresh, "recalled")
    assert not _notes(fresh, "remembered")


def test_a_run_that_is_resumed_forked_or_verified_has_the_memory_that_it_had(tmp_path: Path) -> None:
    """The experiment is cut in the middle of its fifth run, after each run before that, and forked before anybody is
    hired."""
    (tmp_path / "mine.yaml").write_text("shape: supervisor\nagent: {remember: true}\n")
    plan = Plan(SCENARIO, (str(tmp_path / "mine.yaml"),), model="sim:oracle", cases=6, trials=1, workers=1)
    whole = prepare(plan)
    runs = conducted(whole)
    given = [longterm.recalled(run) for run in runs]
    assert given[0] == []
    assert all(given[1:])
    assert [one.run for one in verify(whole) if not one.same] == []
    assert [one.run for one in verify(whole, 4) if not one.same] == []
    lines = whole.journal_file().read_bytes().splitlines(keepends=True)
    fifth = next(place for place, line in enumerate(lines) if line.startswith(b'{"run":4,'))
    for cut in (fifth, fifth + 1, fifth + len(runs[4]) // 2):
        folder = prepare(plan)
        folder.journal_file().write_bytes(b"".join(lines[:cut]))
        assert _undated(conducted(folder)) == _undated(runs)
    for step in (1, len(runs[4]) // 2):
        fork = prepared(ForkPlan(whole.id, 4, step))
        assert _undated(conducted(fork))[0][1:] == _undated(runs)[4][1:]
        assert all(one.same for one in verify(fork))


def _undated(runs: list[list[Record]]) -> list[list[tuple[float, Event]]]:
    return [[(record.t, record.event) for record in run] for run in runs]


def _searches(done: list[Done]) -> int:
    return sum(isinstance(e, ToolExecuted) and e.tool == "search" for _, r in done for e in events(r))


def test_nobody_can_be_asked_in_batch_and_the_agent_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = ScriptedModel(
        [("ask_person", {"question": "Which quarter?"}), ("ask_person", {}), "Then I leave it open."]
    )
    monkeypatch.setattr(Bench, "model_for", lambda self, case, seed, trial: script)
    ((_, recorder),) = done = _with(tmp_path, "escalate: true, check: none", cases=1)
    asked, wrong = (e for e in events(recorder) if isinstance(e, ToolExecuted))
    assert asked.effect == wrong.effect == "team"
    assert "No person can be asked now" in asked.result == script.requests[1].messages[-1].content
    assert "'question' is a required property" in wrong.result
    assert [n.text for n in _notes(done, "escalated")] == ["asked a person (nobody): Which quarter?"]


def _request(text: str) -> Request:
    return Request("ann", (ChatMessage("user", text),))


def test_a_call_made_before_costs_nothing_and_says_what_it_saved() -> None:
    noted: list[Event] = []
    script = ScriptedModel(["one", "two"])
    model = Cached(script, noted.append, {})

    async def main() -> list[str]:
        return [(await model.chat(_request(text))).text for text in ("a", "b", "a", "b")]

    assert run(main(), virtual=True) == ["one", "two", "one", "two"]
    assert len(script.requests) == 2
    assert [note.text for note in noted if isinstance(note, Noted)] == ["saved 15 tokens and $0.000000"] * 2


def test_a_cached_run_pays_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "twice.py").write_text(
        "async def twice(work):\n"
        "    agent = work.hire('solo')\n"
        "    return [await agent.aside().work('Go.') for _ in range(2)][-1]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    scenario, model = puzzle(tmp_path / "puzzle"), profile(tmp_path / "model.yaml")
    (done,) = _with(tmp_path, "cache: true", model, "twice:twice", scenario=str(scenario), cases=1)
    first, again = chats(done[1])
    assert first.text == again.text
    assert done[0].tokens == first.usage.tokens > again.usage.tokens == 0
    assert done[0].calls == 1
    assert _notes([done], "cache_hit")[0].text.startswith(f"saved {first.usage.tokens:,} tokens and $")


def test_another_model_takes_over_when_one_fails_for_good() -> None:
    noted: list[Event] = []
    broken = ScriptedModel([ModelError("server gone"), MalformedOutput("no JSON"), LimitReached("tokens", 1, 1)])
    model = WithFallback(broken, ScriptedModel(["from the other"]), noted.append)
    assert run(model.chat(_request("a")), virtual=True).text == "from the other"
    assert [n.text for n in noted if isinstance(n, Noted)] == ["scripted failed (server gone); scripted takes the call"]
    for error in (MalformedOutput, LimitReached):
        with pytest.raises(error):
            run(model.chat(_request("a")), virtual=True)


def test_a_teams_fallback_is_used_and_both_calls_are_in_the_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bench, "model_for", lambda self, case, seed, trial: ScriptedModel([]))
    ((outcome, recorder),) = _with(tmp_path, "fallback: sim:oracle, check: none", "sim:small", cases=1)
    assert outcome.success
    failed = [chat for chat in chats(recorder) if chat.error]
    assert len(failed) == len(_notes([(outcome, recorder)], "fallback")) == len(chats(recorder)) / 2
