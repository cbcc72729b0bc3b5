"""Parts of the command line, imported by `repro.cli.main`."""
