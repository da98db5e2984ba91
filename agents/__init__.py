"""Who does the work: roles, prompts, the agent loop, teams, models and engines."""
