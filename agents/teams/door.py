"""Serving the door of a market on loopback, and the invitations by which outside agents find it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from marketplace.outside import Outside
from traces import home


class Invitation(Struct, frozen=True):
    """What an agent needs to join: where to ask, as whom, with which token."""

    url: str
    agent: str
    role: str
    token: str


def folder() -> Path:
    """Where the invitations of running markets lie, a folder for each."""
    return home.home() / "outside"


@asynccontextmanager
async def serving(outside: Outside) -> AsyncIterator[list[Path]]:
    """Serve on a free port of 127.0.0.1 while inside. Gives the invitations: files that only this user may read, gone
    when the market is over."""
    import uvicorn

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        config = uvicorn.Config(outside.app(), log_config=None, lifespan="off", access_log=False)
        server = uvicorn.Server(config)
        # `serve` would take over this process's signals, which are the experiment's.
        task = asyncio.create_task(server._serve([listening]))
        place = folder() / f"{os.getpid()}-{port}"
        try:
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            yield _invite(outside, f"http://127.0.0.1:{port}", place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
            server.should_exit = True
            await task


def _invite(outside: Outside, url: str, place: Path) -> list[Path]:
    place.mkdir(parents=True, mode=0o700)
    files = []
    for agent in outside.agents.values():
        file = place / f"{agent.name}.json"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(msgspec.json.encode(Invitation(url, agent.name, agent.role, agent.token)))
        files.append(file)
    return files
