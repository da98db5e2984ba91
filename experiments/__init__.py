"""From a question to a verdict: plan the trials, run them, judge what came out."""
