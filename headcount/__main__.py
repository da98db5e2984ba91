"""`python -P -m headcount`: the same as the command `headcount`."""

from __future__ import annotations

from headcount import main

if __name__ == "__main__":
    main()
