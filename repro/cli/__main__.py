"""`python -m repro.cli`."""

from repro.cli.main import main

main()
