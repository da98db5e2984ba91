"""What the runs come to: intervals, the verdict, and whether it is what was asked for."""
