"""The market: simulated at scale, and known results done again."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.options import Json, Seed
from traces.errors import InputError

cli = typer.Typer()
market = typer.Typer(help="Markets of simulated bidders.", no_args_is_help=True)
cli.add_typer(market, name="market")


@market.command()
def simulate(
    agents: Annotated[int, typer.Option(help="How many bidders.")] = 1000,
    tasks: Annotated[int, typer.Option(help="How many jobs are posted.")] = 10000,
    mechanism: Annotated[
        str, typer.Option(help="How work is awarded: a name (`headcount market mechanisms`), or module:function.")
    ] = "scored",
    mix: Annotated[str | None, typer.Option(help="Shares of the strategies, e.g. shading=3,never_delivers=1.")] = None,
    reach: Annotated[int, typer.Option(help="How many bidders hear of a posting.")] = 8,
    load: Annotated[float, typer.Option(help="The share of all bidders' time that the work would fill.")] = 0.5,
    tries: Annotated[int, typer.Option(help="How often a job is posted, at most.")] = 3,
    round: Annotated[int, typer.Option(help="How many postings are traded together; 0 picks.")] = 0,
    trace: Annotated[int, typer.Option(help="About how many jobs are recorded, each whole.")] = 1000,
    fee_percent: Annotated[int, typer.Option(help="The market's share of each payment.")] = 2,
    penalty_percent: Annotated[int, typer.Option(help="What who fails pays its poster, of the price.")] = 10,
    seed: Seed = 1,
    json: Json = False,
) -> None:
    """Simulate a market of bidders with known strategies, and record a sample of it."""
    from experiments.market import bidders, recording, report
    from experiments.market.population import MIX, Setting
    from experiments.terminal.report import as_json

    shares = dict(MIX) if mix is None else bidders.mix(mix)
    setting = Setting(
        agents, tasks, mechanism, seed, shares, reach, load, tries, round, trace, fee_percent, penalty_percent
    )
    if json:
        print(as_json(recording.simulate(setting)))
        return
    with report.progress_bar(tasks) as watch:
        found = recording.simulate(setting, watch)
    report.show(found)


@market.command()
def reputations(experiment: Annotated[str, typer.Argument(help="An experiment with the team market.")]) -> None:
    """Print what the agents of a market have earned in an experiment, as lines for a team's file."""
    import yaml

    from marketplace.reputation import Reputation
    from traces import home
    from traces.store import Store

    rows = Store().ask(
        home.find_experiment(experiment).id,
        """SELECT e.agent, e.body->>'$.skill' AS skill, (e.body->>'$.accepted')::BOOLEAN AS accepted
        FROM events e WHERE e.part = $part AND e.type = 'reputation' ORDER BY e.run, e.seq""",
    )
    if not rows:
        raise InputError(f"no reputation was earned in {experiment}: there was no market, or nothing delivered")
    earned = Reputation()
    for row in rows:
        earned.observe(row["agent"], row["skill"], row["accepted"])
    known = {a: {s: [round(n, 3) for n in e] for s, e in skills.items()} for a, skills in earned.known.items()}
    typer.echo(yaml.safe_dump({"trade": {"known": known}}, default_flow_style=None, width=120), nl=False)


@market.command()
def invitations() -> None:
    """List the invitations to running markets that take agents from outside."""
    from agents.teams import door

    files = sorted(door.folder().glob("*/*.json"))
    for file in files:
        typer.echo(file)
    if not files:
        typer.echo("No running market takes agents from outside: name them in a team's file (docs/market.md).")


@market.command()
def experiment(
    name: Annotated[str | None, typer.Argument(help="The experiment (none: a list of them).")] = None,
    seed: Seed = 1,
    json: Json = False,
) -> None:
    """Do a result again that the literature knows, and say whether it holds here."""
    from experiments.market import known, report
    from experiments.terminal.report import as_json

    if name is None:
        report.show_names({name: (do.__doc__ or "") for name, do in known.EXPERIMENTS.items()}, json=json)
        return
    found = known.find(name)(seed)
    if json:
        print(as_json(found))
    else:
        report.show_finding(found)
    raise typer.Exit(not found.holds)


@market.command()
def mechanisms(json: Json = False) -> None:
    """List the mechanisms and what holds of each."""
    from experiments.market import report

    report.show_mechanisms(json=json)
