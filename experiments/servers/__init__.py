"""Model servers: what works on one, and what pools of simulated ones take and cost."""
