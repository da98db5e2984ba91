"""Markets of simulated bidders: strategies, populations, the simulation at scale, and known results done again."""
