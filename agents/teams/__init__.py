"""Team shapes: small async functions over the agent loop. `async def team(work: Workspace) -> str` returns the answer.

The names by which teams are called are in agents/table.py.
"""
