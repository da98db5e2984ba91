"""What is to be done: scenarios and their cases, task graphs, graders."""
