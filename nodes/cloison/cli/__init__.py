"""The command line: one module a command.

* stdout is the result, stderr the messages.
* exit 0 ok · 1 failure · 2 denied · 3 invalid input.
"""
