"""Giving up a value of one's own: to a review that finds fault with it, to peers who hold another."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.models.model import Reply, Request
from agents.models.simulated import profile as profiles
from agents.models.simulated.difficulty import Difficulty
from agents.models.simulated.model import SimulatedModel
from agents.teams.attempt import MEND
from agents.teams.debate import OTHERS, PEER
from experiments.plan import Plan
from tasks import scenario as scenarios
from tests.trials import chats, do, profile, puzzle
from traces.clock import run
from traces.kernel import ChatMessage

SEEDS = 600
SHARED = {"clones": 0.7, "others": 0.5, "family": 0.7, "case": 0.5}
YIELDS = {"one": 0.3, "more": 0.6}


def _mend(*peers: str, problem: str = "") -> str:
    """What a debater reads whose peers hold these values."""
    proposals = (PEER.format(name=f"solo-{n}", text=f"It is {v}.\n\n- f1: {v}") for n, v in enumerate(peers, 2))
    text = MEND.format(problems=problem)
    return text + (OTHERS.format(proposals="\n\n".join(proposals)) if peers else "")


def _replies(tmp_path: Path, own: str, said: str, seeds: int = SEEDS, **over: object) -> list[Reply]:
    """What models of many seeds answer that have concluded `own` and are then told something."""
    model = profile(tmp_path / "model.yaml", yields=YIELDS, correlation=SHARED, **over).removeprefix("sim:")
    case = scenarios.load(str(puzzle(tmp_path / "puzzle"))).cases[0]
    messages = (
        ChatMessage("system", "Conclude."),
        ChatMessage("user", case.request),
        ChatMessage("assistant", f"- f1: {own}\nIt is {own}."),
        ChatMessage("user", said),
    )
    loaded = profiles.load(model)

    async def ask() -> list[Reply]:
        return [await SimulatedModel(loaded, case, seed, 0).chat(Request("solo-1", messages)) for seed in range(seeds)]

    return run(ask(), virtual=True)


@pytest.mark.parametrize(
    ("own", "peers", "taken_over", "expected"),
    [
        ("right-1", ("wrong-1",), "wrong-1", 0.3),
        ("right-1", ("wrong-1", "wrong-1"), "wrong-1", 0.6),
        ("right-1", ("wrong-1", "right-1"), "wrong-1", 0.0),
        ("right-1", ("wrong-1", "right-1", "wrong-1"), "wrong-1", 0.3),
        ("wrong-1", ("right-1", "right-1"), "right-1", 0.6),
        ("right-1", ("right-1", "right-1"), "right-1", 1.0),
    ],
)
def test_peers_values_are_taken_over_as_often_as_the_profile_says(
    own: str, peers: tuple[str, ...], taken_over: str, expected: float, tmp_path: Path
) -> None:
    """A majority against it counts more than as many; right values are lost so, and wrong ones mended."""
    replies = _replies(tmp_path, own, _mend(*peers))
    share = sum(f"It is {taken_over}" in reply.text for reply in replies) / SEEDS
    assert share == pytest.approx(expected, abs=0.07 if 0 < expected < 1 else 0)
    lost = [reply.fault is not None and reply.fault.mode == "yields" for reply in replies]
    assert sum(lost) == (round(share * SEEDS) if own == "right-1" != taken_over else 0)


def test_a_review_can_talk_an_author_out_of_a_right_answer(tmp_path: Path) -> None:
    replies = _replies(tmp_path, "right-1", _mend(problem="* f1: does not look right"))
    lost = [reply for reply in replies if "It is wrong-1" in reply.text]
    assert len(lost) / SEEDS == pytest.approx(0.3, abs=0.07)
    assert {reply.fault.mode for reply in lost if reply.fault} == {"yields"}
    assert all(reply.fault for reply in lost)


def test_an_author_without_doubts_stands_firm_and_a_wrong_value_is_no_loss(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    firm = _replies(tmp_path / "a", "right-1", _mend(), seeds=50)
    mended = _replies(tmp_path / "b", "wrong-1", _mend(problem="* f1: does not follow"), seeds=200)
    assert all("It is right-1" in reply.text and not reply.fault for reply in (*firm, *mended))


def test_a_model_of_another_kind_sees_more_of_its_errors_than_a_clone() -> None:
    """Each has its own blind spots; a clone sees the profile's share."""
    medium, large = profiles.load("medium"), profiles.load("large")
    made = clone = other = 0.0
    for seed in range(8000):
        author, stranger = Difficulty(medium, seed, "c"), Difficulty(large, seed, "c")
        error = author.error(0.06, "s")
        made += error
        clone += error * author.notices(0.6, "s", 0.06)
        other += error * stranger.notices(0.6, "s", 0.06)
    assert clone / made == pytest.approx(0.6, abs=0.03)
    assert other / made > clone / made + 0.08


def test_debaters_are_shown_what_the_others_propose_when_they_mend(tmp_path: Path) -> None:
    """In a run: three debaters, of whom a majority may be wrong; some who were right give in, and it is labelled."""
    scenario = puzzle(tmp_path / "puzzle")
    check = {"other": 1.0, "false_alarm": 1.0}
    model = profile(tmp_path / "m.yaml", error=0.5, check=check, yields={"one": 0.5, "more": 1.0})
    team = tmp_path / "three.yaml"
    team.write_text("shape: debate\nmembers: [{role: solo, count: 3}]\nstop: {max_rounds: 1}\n")
    faults = []
    for _, recorder in do(Plan(str(scenario), (str(team),), model=model, trials=40)):
        for chat in chats(recorder):
            faults += [chat.fault.mode] if chat.fault else []
    assert faults.count("yields") > 10
