"""The verbs of the command line, one file a topic. Each is thin: it reads its options and calls what the app calls."""
