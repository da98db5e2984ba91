"""Who runs the team. An engine turns a team's name and a workspace into an answer; models, tools, budget, policy and
recording come with the workspace, so they are the same for every engine."""
