"""The command line: one module a command.

* stdout is the result, stderr the messages.
* exit 0 ok · 1 failure · 2 denied · 3 invalid input; errors become exit codes in `app.main` alone.
* A command's module is imported when the command runs, never for `--help`.
"""

from cloison.cli.app import main

__all__ = ["main"]
