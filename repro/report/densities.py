"""What models of binary images are worth in nats: one row each, with how that was estimated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from repro.evaluation.intervals import interval
from repro.report.frame import RUN, Frame, select, shown
from repro.report.tables import number, read_published
from repro.runs.config import (
    Belief,
    Boltzmann,
    Density,
    Energetic,
    Generating,
    Inferring,
    Mixture,
    Model,
    from_json,
)

SCORE = "test_log_probability"
FROM_ABOVE, FROM_CASES = "log_z_from_above", "log_z_from_cases"
COLUMNS = ["variant", "model", "binarised", "estimator", "side", "test", "low", "high", "n", "sure_low"]
COLUMNS += [
    "sure_high",
    "from_above",
    "from_cases",
    "train",
    "published",
    "source",
    "parameters",
    "pretraining",
    "epochs",
]
COLUMNS += ["seconds", "flops", "device"]
BINARISED = "drawn anew every epoch; test pixels once"


def rows(frame: Frame) -> pd.DataFrame:
    """A row for each variant of the run that stands for it, the best first; empty if there are none.

    `test` and `train` are means over n seeds of log p in nats, `low` and `high` the 95 % t-interval of `test`
    over seeds; `sure_low` and `sure_high` the mean ends of the 95 % interval of its estimate; `from_above`
    what `test` would be with log Z estimated from the other side by chains from where annealing ended, and
    `from_cases` by chains from training cases; `side`, on which side of log p the estimate
    lies on average; `seconds` and `flops` of training a seed, scoring not counted.
    """
    runs = select(frame.runs, experiment="densities", kind="density")
    runs = shown(runs).sort_values(["variant", "seed"], kind="stable")
    found = [_row(frame, own) for _, own in runs.groupby(RUN, dropna=False, sort=False)]
    printed = read_published()
    printed = printed[(printed.experiment == "densities") & (printed.metric == SCORE)]
    printed = printed.assign(source=printed.key + " (" + printed.sure + ")", published=printed.value)
    table = pd.DataFrame(found, columns=[name for name in COLUMNS if name not in ("published", "source")])
    table = table.merge(printed[["variant", "published", "source"]], how="left", on="variant")
    return table.sort_values("test", ascending=False, kind="stable", ignore_index=True).loc[:, COLUMNS]


def _row(frame: Frame, own: pd.DataFrame) -> dict[str, Any]:
    records = [frame.record(path) for path in own.path]
    config = from_json(records[0].config)
    assert isinstance(config, Density)
    score = np.array([record.metrics[SCORE] for record in records], float)

    def mean(name: str) -> float:
        return float(np.mean([record.metrics.get(name, np.nan) for record in records]))

    low, high = interval(score)
    name, estimator, side = about(config.model)
    first = own.iloc[0]
    return {
        "variant": first.variant,
        "model": name,
        "binarised": BINARISED,
        "estimator": estimator,
        "side": side,
        "test": float(score.mean()),
        "low": low,
        "high": high,
        "n": len(score),
        "sure_low": mean(f"{SCORE}_low"),
        "sure_high": mean(f"{SCORE}_high"),
        "from_above": float(score.mean()) + mean("log_z") - mean(FROM_ABOVE),
        "from_cases": float(score.mean()) + mean("log_z") - mean(FROM_CASES),
        "train": mean("train_log_probability"),
        "parameters": round(mean("parameters")),
        "pretraining": first.pretraining,
        "epochs": first.epochs,
        "seconds": np.nansum([mean("pretraining_seconds"), mean("finetuning_seconds")]),
        "flops": mean("flops"),
        "device": first.device,
    }


def about(model: Model) -> tuple[str, str, str]:
    """What a model is called, how its log p is estimated, and on which side of log p that lies on average."""
    match model:
        case Mixture():
            return f"mixture of {model.n_components} products", "exact", "exact"
        case Belief(widths=[n]):
            how = model.pretraining.contrastive
            learnt = "persistent chains" if how.persistent else f"CD-{how.k}"
            return f"RBM {n}, {learnt}", f"log Z by {_chains(model)}", "too high"
        case Belief():
            weights = f"importance weighting, {model.n_samples} samples; log Z by {_chains(model)}"
            return f"deep belief network {_sizes(model.widths)}", weights, "either"
        case Boltzmann():
            means = f"bound by mean field; log Z by {_chains(model)}"
            return f"deep Boltzmann machine {_sizes(model.widths)}", means, "either"
        case Energetic():
            name = f"deep energy-based model {_sizes(model.hidden)}"
            return name, f"log Z by {_chains(model)}", "too high"
        case Generating():
            chains = f"AIS of the latent units, {model.decoding.n_chains} chains"
            temperatures = f"{model.decoding.n_steps} temperatures, first {model.n_decoded} digits"
            name = f"GAN, and a noise that turns {100 * model.noise:g} % of pixels over"
            return name, f"{chains}, {temperatures}", "too low"
        case Inferring():
            sizes = f"{_sizes(model.latent)} latent, {_sizes(model.hidden)} between"
            learnt = "" if model.estimator == "reparameterised" else f", {model.estimator}"
            estimator = f"importance weighting, {model.n_samples} samples"
            return f"variational autoencoder, {sizes}{learnt}", estimator, "too low"


def _chains(model: Belief | Boltzmann | Energetic) -> str:
    how = model.annealing
    start = (
        "" if isinstance(model, Energetic) else f", from independent units or {model.n_prototypes} prototypes"
    )
    return f"AIS, {how.n_chains} chains, {sum(how.n_steps)} temperatures{start}"


def _sizes(widths: tuple[int, ...]) -> str:
    return "-".join(map(str, widths))


def page(table: pd.DataFrame) -> str:
    """The same for reading."""
    note = (
        "What models of binarised MNIST are worth: log p of the test digits in nats, the best first. "
        "Generated by `repro tables` from the records of `densities`; columns are explained in "
        "results/README.md. *ours* is the mean over n seeds. Estimates differ in kind, and only what lies on "
        "the same side can be ranked closely: log Z from below makes log p too high on average, weighting "
        "makes it too low."
    )
    shown = pd.DataFrame(
        {
            "model": table.model,
            "ours": table.test.map(number),
            "95 % over seeds": _ends(table.low, table.high),
            "n": table.n,
            "95 % of the estimate": _ends(table.sure_low, table.sure_high),
            "with log Z from above": table.from_above.map(number),
            "the same, chains begun at digits": table.from_cases.map(number),
            "on average": table.side,
            "training digits": table.train.map(number),
            "published": table.published.map(number),
            "source": table.source.fillna("–"),
            "estimator": table.estimator,
            "binarised": table.binarised,
            "parameters": table.parameters,
            "pretraining": table.pretraining.replace("", "–"),
            "epochs": table.epochs,
            "seconds": table.seconds.map("{:.0f}".format),
            "operations": table.flops.map("{:.2g}".format),
            "device": table.device,
        }
    )
    return f"# densities\n\n{note}\n\n{shown.to_markdown(index=False, disable_numparse=True)}\n"


def _ends(low: pd.Series, high: pd.Series) -> list[str]:
    return [
        f"{number(a)} to {number(b)}" if a == a and a != b else "–" for a, b in zip(low, high, strict=True)
    ]
