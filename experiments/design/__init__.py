"""Before anything runs: how many trials it takes, and what they will use."""
