"""What stands in a trace, made fit to read: steps, layers, what a search finds."""
