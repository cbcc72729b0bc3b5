"""A question: its claim, the variants that answer it, and how the quick profile shrinks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Annotated, TypeVar

from repro.errors import UserError
from repro.runs.config import BY_KIND, AsStarted, Autoencoders, Config, Learning, Pretrained, Supervised
from repro.typed import choice

PROFILES = ("quick", "paper")
Trained = TypeVar("Trained", bound=Learning | AsStarted)


@choice
class Experiment:
    """A claim, its variants, and how the quick profile shrinks them."""

    name: str
    claim: str
    artefact: str  # of the paper
    # by name, which is for people: facts are in the configuration
    variants: Mapping[str, Annotated[Config, *BY_KIND]]
    quick: Callable[[Config], Config | None]  # the configuration of the quick profile; None: not part of it
    expected: dict[tuple[str, str], tuple[float, float]]  # quick: (variant, metric) -> range
    seeds: dict[str, int] = field(default_factory=lambda: {"quick": 1, "paper": 5})
    scores: tuple[str, ...] = ("train_squared_error", "test_squared_error")  # shown when a run is over
    figures: tuple[str, ...] = ()  # that show it
    claims: tuple[str, ...] = ()  # that it bears on

    @property
    def data(self) -> tuple[str, ...]:
        """The data sets that its variants learn from."""
        return tuple(dict.fromkeys(config.data for config in self.variants.values()))


def shrunk(experiment: Experiment, variant: str) -> Config | None:
    """The configuration of a variant in the quick profile; None if it is not part of it.

    Raises:
        UserError: if the experiment's `quick` fails, or gives anything else.
    """
    try:
        config = experiment.quick(experiment.variants[variant])
    except Exception as error:  # whatever may be wrong in a user's function
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"{experiment.name}: quick fails for {variant} ({reason}): mend it") from error
    if config is None or isinstance(config, Config):
        return config
    raise UserError(f"{experiment.name}: quick gives {config!r} for {variant}, no configuration: mend it")


def check_profile(profile: str) -> None:
    """Refuse a profile that does not exist.

    Raises:
        UserError: naming the profiles.
    """
    if profile not in PROFILES:
        raise UserError(f"no profile {profile!r}; there are: {', '.join(PROFILES)}")


def shorter(
    config: Trained, *, pretraining: int, first: int | None = None, batch_size: int | None = None
) -> Trained:
    """The run with so many epochs of pretraining for each layer, and for the `first` its own, where it has
    any; for quick profiles.
    """
    if isinstance(start := config.start, Autoencoders | Supervised):
        return replace(config, start=replace(start, layerwise=replace(start.layerwise, n_epochs=pretraining)))
    if not isinstance(config.start, Pretrained):
        return config
    schedule = config.start.pretraining
    shortened = replace(
        schedule, n_epochs=pretraining, first_n_epochs=first, batch_size=batch_size or schedule.batch_size
    )
    return replace(config, start=replace(config.start, pretraining=shortened))
