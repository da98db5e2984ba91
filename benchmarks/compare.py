"""The whole main job: 200 trials of every case of billing_support with three teams, with full tracing.

    python -m benchmarks.compare [--json]

Prints runs a second, the wall time of the command and the peak memory of its largest process; the peer is one AutoGen
AgentChat round-robin of nine turns under the same virtual clock, a run of about as many turns without tools or tracing.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

from agents.models import quiet
from benchmarks.report import Figure, main
from traces import clock

TRIALS = 200
RUNS = TRIALS * 24 * 3
PEER_RUNS = 200


def measure() -> Iterator[Figure]:
    quiet.environment()
    peer = _peer()
    command = [sys.executable, "-m", "headcount", "compare", "billing_support", "--trials", str(TRIALS), "--json"]
    with tempfile.TemporaryDirectory() as home:
        start = time.perf_counter()
        subprocess.run(command, env={**os.environ, "HEADCOUNT_HOME": home}, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    yield Figure("compare, 200 trials of 24 cases, 3 teams", seconds, "s")
    yield Figure("peak memory of the largest process", peak, "MiB")
    yield Figure("runs, traced and indexed, all processes", RUNS / seconds, "runs/s", peer)


def _peer() -> float:
    start = time.perf_counter()
    for _ in range(PEER_RUNS):
        clock.run(_round_robin(), virtual=True)
    return PEER_RUNS / (time.perf_counter() - start)


async def _round_robin() -> None:
    from autogen_agentchat.agents import BaseChatAgent
    from autogen_agentchat.base import Response
    from autogen_agentchat.messages import BaseChatMessage, TextMessage
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_core import CancellationToken

    class Speaker(BaseChatAgent):
        produced_message_types = (TextMessage,)

        async def on_messages(self, messages: Sequence[BaseChatMessage], token: CancellationToken) -> Response:
            return Response(chat_message=TextMessage(content="done", source=self.name))

        async def on_messages_stream(
            self, messages: Sequence[BaseChatMessage], token: CancellationToken
        ) -> AsyncGenerator[Any, None]:
            yield await self.on_messages(messages, token)

        async def on_reset(self, token: CancellationToken) -> None:
            return None

        async def save_state(self) -> Mapping[str, Any]:
            return {}

    team = RoundRobinGroupChat([Speaker(f"s{n}", "speaks") for n in range(3)], max_turns=9)
    await team.run(task="go")


if __name__ == "__main__":
    main(measure, __doc__ or "")
