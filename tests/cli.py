"""The command line for tests: what a command says, and the code that it ends with."""

from __future__ import annotations

import pytest

from headcount import main


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The exit code, the output and the errors of `headcount ARGUMENTS`."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err
