"""A question: its claim, the variants that answer it, and how the quick profile shrinks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from repro.errors import UserError
from repro.runs.config import Config

PROFILES = ("quick", "paper")


@dataclass(frozen=True)
class Experiment:
    """A claim, its variants, and how the quick profile shrinks them."""

    name: str
    claim: str
    artefact: str  # of the paper
    variants: dict[str, Config]  # by name, which is for people: facts are in the configuration
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


def check_profile(profile: str) -> None:
    """Refuse a profile that does not exist.

    Raises:
        UserError: naming the profiles.
    """
    if profile not in PROFILES:
        raise UserError(f"no profile {profile!r}; there are: {', '.join(PROFILES)}")
