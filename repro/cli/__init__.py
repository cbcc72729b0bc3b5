"""Parts of the command line, imported by `repro.cli.main`.

`experiments` and `paper_figures` lie beside `repro` in the repository, and in `repro/suite` of a wheel, where
they are in nobody's way. Here the folder that holds them comes to be the first that Python looks into.
"""

import sys
from pathlib import Path

IN_WHEEL = Path(__file__).resolve().parents[1] / "suite"
SUITE = IN_WHEEL if IN_WHEEL.is_dir() else Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SUITE))
