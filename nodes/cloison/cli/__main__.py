"""`python -m cloison.cli`: the command `cloison`, run by a chosen interpreter."""

from cloison.cli.app import main

main()
