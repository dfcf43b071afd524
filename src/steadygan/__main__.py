"""`python -m steadygan` is the `steadygan` command."""

from steadygan.cli import main

main()
