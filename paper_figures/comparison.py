"""What a comparison on a user's own data shows: errors against operations, and test cases with what is left
of them, or how many of the retrieved documents are of the query's class.
"""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.figure import Figure

from paper_figures.style import arms, house, lines, mosaic, retrieval
from paper_figures.style.evidence import of_run, runs_of, scores
from paper_figures.style.wording import about, effort, number
from repro.report.frame import Frame, curves, select
from repro.runs.compare import NAME


def figures(frame: Frame, metric: str, shape: tuple[int, int] | None) -> Iterator[tuple[str, Figure]]:
    """Those that these records are enough for, by name: of errors by this metric; `shape`, of pictures, are
    rows and columns.
    """
    table = scores(frame, among=select(frame.rows, experiment=NAME)).sort_values("value", kind="stable")
    if len(table) and (table.epochs > 0).any():
        yield "curves", learning(frame, metric)
    if len(table) and shape is not None:
        yield "reconstructions", mosaic.draw(frame, NAME, "test case", list(table.variant), shape)
    own = select(frame.rows, experiment=NAME)
    if (own.metric == retrieval.precision_at(1)).any():
        yield "retrieval", retrieval.draw(frame, own, "retrieval", experiment=NAME)


@house.style()
def learning(frame: Frame, metric: str) -> Figure:
    """Test errors against operations, pretraining included: means over seeds, the range as a band."""
    table = scores(frame, metric, among=select(frame.rows, experiment=NAME))
    table = table.sort_values("value", kind="stable", ignore_index=True)
    points = curves(frame, runs_of(frame, table), [metric])
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    axes = figure.subplots()
    for i, (look, score) in enumerate(zip(arms.looks(table), table.itertuples(), strict=True)):
        look = look._replace(label=f"{look.label}\n{number(score.value)}, {effort(score)}")
        own = of_run(points, score)
        if len(own):
            lines.learning(axes, "flops", own[own.epoch > 0], look, (i, len(table)), metric)
        else:
            how = {"lw": 0.8, "ls": look.dashes, "color": look.colour, "label": look.label}
            axes.axhline(score.value, gid=score.variant, **how)
    lines.scale_errors(axes, [*points[metric][points.epoch > 0], *table.value])
    words = metric.replace("_", " ")
    axes.set(xscale="log", xlabel="operations (flops), pretraining included", ylabel=words)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1.05))
    house.head(figure, frame, about(table, lines.RANGE if (table.n > 1).any() else ""))
    return figure
