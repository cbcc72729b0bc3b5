"""What every command imports: imported once, by the server that processes are forked from."""

import importlib

for name in (
    *(
        f"repro.cli.{verb}"
        for verb in ("cache", "data", "figures", "list", "main", "queue", "run", "tables", "time")
    ),
    *(
        "repro.runs.compiler",
        "repro.runs.run",
        "repro.timing.rates",
        "experiments.answer",
        "tests.chaos.child",
    ),
    *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf", "paper_figures.fig_2a"),
):
    importlib.import_module(name)
