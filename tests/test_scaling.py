"""Exact gradients of small models against enumeration and quadrature, how far estimates are from them, what
chains forget; and as an experiment, with its claim and figure.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from made_frames import EXPERIMENTS
from made_frames import frame as made_frame
from made_frames import record as made_record
from oracle import log_table, states
from pydantic import ValidationError
from scipy.special import logsumexp
from tiny import QUIET, cut

import repro.data
from experiments import all_claims
from experiments.scaling import VARIANTS, WIDTHS
from paper_figures import fig_scaling
from repro.errors import RecordsMissingError
from repro.evaluation.gradients import errors, mean_log_prob_of_dbm, mean_log_prob_of_vae
from repro.evaluation.mixing import autocorrelation_times
from repro.models.dbm import DBM
from repro.models.vae import Variational, log_joint, random_vae
from repro.report.frame import read
from repro.report.verdicts import Evidence, page, verdict
from repro.runs.config import GradientError, SmallMachine, SmallVariational
from repro.runs.gradient_error import estimate_gradients, estimated, reparameterised
from repro.runs.programs import PROGRAMS
from repro.runs.run import Request, programs, run
from repro.training.deep_boltzmann import JointLearning, random_states
from repro.training.variational import bound

EXACT = {"rtol": 1e-12, "atol": 1e-12}
MACHINE = DBM(
    tuple(jnp.asarray(np.random.default_rng([1, *pair]).normal(size=pair)) for pair in [(3, 2), (2, 4)]),
    tuple(jnp.asarray(np.random.default_rng([2, n]).normal(size=n)) for n in (3, 2, 4)),
)
V = jnp.asarray(states(3)[[1, 6, 6, 3]])


def test_log_p_of_a_machine_is_that_of_its_whole_joint_distribution():
    table = log_table(*MACHINE)
    of_each = logsumexp(table, axis=(1, 2)) - logsumexp(table)
    np.testing.assert_allclose(mean_log_prob_of_dbm(MACHINE, V), of_each[[1, 6, 6, 3]].mean(), **EXACT)


def autoencoder():
    of = Variational(3, latent=(2,), hidden=(4,))
    return of, random_vae(jr.key(3), of)


def test_log_p_of_an_autoencoder_is_that_of_quadrature():
    """By Gauss and Hermite, which know of no grid."""
    of, vae = autoencoder()
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    z = jnp.asarray([[a, b] for a in points for b in points])
    log_weights = np.log(np.outer(weights, weights).ravel() / (2 * np.pi)) + np.sum(np.asarray(z) ** 2, 1) / 2
    one = partial(log_joint, of, vae)
    log_p = jax.jit(jax.vmap(lambda x: jax.vmap(lambda z: one(x, (z,)))(z)))(V)
    expected = logsumexp(np.asarray(log_p) + log_weights + np.log(2 * np.pi), axis=1).mean()
    np.testing.assert_allclose(mean_log_prob_of_vae(of, vae.pixels, V), expected, rtol=1e-7)
    finer = mean_log_prob_of_vae(of, vae.pixels, V, n=151)
    np.testing.assert_allclose(mean_log_prob_of_vae(of, vae.pixels, V), finer, rtol=1e-11)
    with pytest.raises(ValueError, match=r"latent must be \(2,\)"):
        mean_log_prob_of_vae(Variational(3, latent=(3,), hidden=(4,)), vae.pixels, V)


def test_errors_by_hand():
    estimates = {"a": jnp.array([[1.0, 2], [3, 2]]), "b": jnp.array([0.0, 0])}
    found = errors(estimates, {"a": jnp.array([3.0, 4]), "b": jnp.zeros(())})
    assert found.gradient_norm == 5
    np.testing.assert_allclose(found.relative_bias, np.sqrt(1 + 4) / 5, **EXACT)
    np.testing.assert_allclose(found.relative_spread, 1 / 5, **EXACT)
    np.testing.assert_allclose(found.relative_distance, np.sqrt((8 + 4) / 2) / 5, **EXACT)


def test_estimates_of_a_machine_come_to_the_gradient_but_for_mean_field(n=1000, z=4.5):
    """Without weights between hidden layers mean field is exact, and nothing else is wrong with them."""
    lower, upper = MACHINE.weights
    dbm = MACHINE._replace(weights=(lower, 0 * upper))
    exact = jax.grad(mean_log_prob_of_dbm)(dbm, V)
    start = random_states(jr.key(1), dbm, 10)
    how = JointLearning(n_gibbs=6)
    estimates, said = jax.jit(lambda key: estimated(key, dbm, V, start, how, n))(jr.key(2))
    for ours, truth in zip(jax.tree.leaves(estimates), jax.tree.leaves(exact), strict=True):
        standard_error = np.std(ours, axis=0) / np.sqrt(n)
        assert np.all(np.abs(np.mean(ours, axis=0) - truth) < z * standard_error + 1e-12)
    assert said.shape == (4, 10, 6 * n)
    table = log_table(*dbm)
    of_pixels = np.exp(logsumexp(table, axis=(1, 2)) - logsumexp(table)) @ states(3)
    np.testing.assert_allclose(
        np.mean(said[1:], axis=(1, 2)), of_pixels, atol=z * 0.5 / np.sqrt(6 * n * 10 / 4)
    )
    of_even = logsumexp(table, axis=1)
    mean_free_energy = -np.sum(np.exp(of_even - logsumexp(of_even)) * of_even)
    spread = np.std(said[0]) * np.sqrt(4 / said[0].size)
    assert abs(np.mean(said[0]) - mean_free_energy) < z * spread


def test_the_estimate_of_an_autoencoder_is_the_gradient_of_one_draws_bound():
    of, vae = autoencoder()
    found = reparameterised(of, vae, V, jr.key(4))
    keys = jr.split(jr.key(4), len(V))

    def of_pixels(pixels):
        own = vae._replace(pixels=pixels)
        return jax.vmap(lambda x, key: bound(of, own, x, key))(V, keys).mean()

    expected = jax.grad(of_pixels)(vae.pixels)
    jax.tree.map(partial(np.testing.assert_allclose, **EXACT), found, expected)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_autocorrelation_time_of_an_autoregression_is_the_known_one(rho, n_chains=50, n=4000, z=4.5):
    """τ = (1 + ρ) / (1 - ρ); of its estimate, cut at lag W, the variance is 2 (2 W + 1) τ² / N: W is some 5 τ
    [sokal's estimate of the error].
    """
    noise = np.random.default_rng(6).normal(size=(2, n_chains, n))
    x = np.empty_like(noise)
    x[..., 0] = noise[..., 0] / np.sqrt(1 - rho**2)
    for t in range(1, n):
        x[..., t] = rho * x[..., t - 1] + noise[..., t]
    tau = (1 + rho) / (1 - rho)
    found = autocorrelation_times(jnp.asarray(x))
    error = tau * np.sqrt(2 * (2 * 5 * tau + 1) / (n_chains * n))
    assert np.all(np.abs(found - tau) < z * error)


def test_what_never_moves_has_no_autocorrelation_time():
    x = jnp.stack([jnp.ones((2, 50)), jnp.asarray(np.random.default_rng(0).normal(size=(2, 50)))])
    found = autocorrelation_times(x)
    assert np.isnan(found[0]) and 0.3 < found[1] < 3


# --- as an experiment ---------------------------------------------------------------------------------

FEW = {
    "deep boltzmann": SmallMachine(2, joint=JointLearning(1, n_gibbs=2, batch_size=20)),
    "variational": SmallVariational(3, n_epochs=1, batch_size=20),
}
QUICK = replace(
    EXPERIMENTS["scaling"],
    quick=lambda config: replace(config, model=FEW[config.model.kind], n_estimates=10),
    expected={},
)
FIRST = ("gradient-dbm-x1", "gradient-vae-x1")


@pytest.fixture(scope="module")
def digits():
    """A hundred and twenty to learn from."""
    data = repro.data.load("mnist", embedded=True)
    return replace(data, train=cut(data.train, 100), valid=cut(data.valid, 20), test=cut(data.test, 20))


@pytest.fixture(scope="module")
def results(digits, tmp_path_factory):
    """Two seeds side by side."""
    folder = tmp_path_factory.mktemp("results")
    with jax.enable_x64(False), pytest.MonkeyPatch.context() as patch:
        patch.setattr(repro.data, "load", lambda *_, **__: digits)
        run(QUICK, Request(seeds=2, only=FIRST, results=folder), QUIET)
    return folder


def test_gradients_are_estimated_on_real_digits(results):
    records = {(r.variant, r.seed): r.metrics for r in read(results, "quick").records.values()}
    assert len(records) == 4
    for found in records.values():
        squares = found["relative_bias"] ** 2 + found["relative_spread"] ** 2
        np.testing.assert_allclose(found["relative_distance"] ** 2, squares, rtol=1e-5)  # records round
        assert found["gradient_norm"] > 0 and -16 < found["minibatch_log_probability"] < -3
    machine, autoencoder = (records[variant, 1] for variant in FIRST)
    assert machine["autocorrelation_free_energy_steps"] > 0 and machine["autocorrelation_pixel_steps"] > 0
    assert not any("autocorrelation" in name for name in autoencoder)
    assert records[FIRST[0], 0]["gradient_norm"] != machine["gradient_norm"]
    assert PROGRAMS[GradientError] is estimate_gradients
    assert programs(VARIANTS[FIRST[0]], [0, 3]) == [[0, 3]]


def test_the_frame_and_the_figure_say_what_was_run(results):
    frame = read(results, "quick")
    about = frame.runs.sort_values("variant").iloc[0]
    assert (about.kind, about.model, about.widths, about.epochs) == (
        "gradient error",
        "deep boltzmann",
        "2-4",
        1,
    )
    left, right = fig_scaling.draw(frame).axes
    assert len(left.containers) == 4 and len(right.containers) == 2
    rows = frame.rows[(frame.rows.metric == "relative_bias") & (frame.rows.variant == FIRST[1])]
    drawn = {box[0].get_gid(): box[0] for box in left.containers}
    line = drawn["relative_bias variational"]
    np.testing.assert_allclose(np.asarray(line.get_ydata(), float), [rows.value.mean()])
    assert line.get_xdata().tolist() == [3]
    with pytest.raises(RecordsMissingError, match="run `repro run scaling --profile paper"):
        fig_scaling.draw(made_frame())


@pytest.mark.parametrize("changed", [{"model": SmallVariational(2), "n_estimates": 1}, {"model": "gaussian"}])
def test_what_is_no_run_is_refused(changed):
    with pytest.raises(ValidationError, match=r"n_estimates|model"):
        GradientError("mnist", **changed)


CLAIM = next(claim for claim in all_claims() if claim.key == "C6")


def judged(ratios):
    """The evidence of densities whose times have these ratios, by width; as if the variants were there."""
    names = [f"{kind}-x{times}" for times in WIDTHS for kind in ("dbm", "vae")]
    to_come = replace(EXPERIMENTS["scaling"], variants=VARIANTS | dict.fromkeys(names, VARIANTS[FIRST[0]]))
    records = [
        made_record(
            "scaling", f"{kind}-x{times}", VARIANTS[FIRST[0]], {"seconds_to_target": value}, seed=seed
        )
        for times, ratio in ratios.items()
        for seed in range(5)
        for kind, value in (("dbm", ratio * (10 + seed) * (1 + 0.01 * seed)), ("vae", 10.0 + seed))
    ]
    return Evidence(made_frame(records), EXPERIMENTS | {"scaling": to_come})


@pytest.mark.parametrize(
    ("ratios", "ruling"),
    [
        ((1.5, 2, 3, 5), "UPHELD"),
        ((6, 6, 6, 5), "OPEN"),
        ((0.5, 1, 1.5, 2.5), "OPEN"),
        ((0.9, 0.8, 0.7, 0.6), "REFUTED"),
        ((0.9, 0.8, 0.7, 1.2), "OPEN"),
    ],
)
def test_c6_by_its_criterion(ratios, ruling):
    assert verdict(CLAIM, judged(dict(zip(WIDTHS, ratios, strict=True)))) == ruling


def test_until_there_are_times_they_are_lacking():
    evidence = Evidence(made_frame(), EXPERIMENTS)
    assert verdict(CLAIM, evidence) == "OPEN"
    assert "scaling dbm-x8" in page([CLAIM], evidence)
