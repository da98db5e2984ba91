"""How messages and work change hands: the bus, the board and its mechanisms. Passive: state and rules, no loop."""
