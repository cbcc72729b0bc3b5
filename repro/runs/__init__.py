"""One run, recorded: what it is, the programs that carry it out, and what is kept of it."""
