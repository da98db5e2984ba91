"""How an agent thinks: real models through LiteLLM, a local one, simulated ones; and wrappers of the same shape."""
