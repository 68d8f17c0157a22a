"""What `kinetic_optimal` measures."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import score
from phix._types import Array
from phix.recipes import _kinetic_report as report
from phix.recipes._plane_laws import PlaneLaw, make_law
from phix.recipes._plane_measures import carried
from phix.recipes._score_training import Fits, perceptron
from phix.recipes._study_run import Findings, Section
from phix.recipes.kinetic_optimal import KineticOptimalRecipe, PathFromData
from phix.train import ArraySource


BEST = "kinetic-optimal"
OTHERS: dict[str, score.AbstractPath] = {
    "linear": score.Linear(),
    "trigonometric": score.Trigonometric(),
    "cosine": score.Cosine(),
}
ANGLES = np.linspace(0.05, np.pi / 2 - 0.05, 25)


def study(recipe: KineticOptimalRecipe, fits: Fits) -> Findings:
    """Every law in turn."""
    found = [study_law(recipe, fits, place) for place in range(len(recipe.laws))]
    numbers = {"laws": [numbers for numbers, _ in found]}
    return Findings(numbers, [part for _, part in found], report.about(recipe))


def study_law(
    recipe: KineticOptimalRecipe, fits: Fits, place: int
) -> tuple[dict[str, Any], Section]:
    """One law: its numbers and its part of the report."""
    choice = recipe.laws[place]
    law, key = make_law(choice), jr.fold_in(jr.key(recipe.seed), place)
    error, best = path_from_data(law, recipe.path, jr.fold_in(key, 0))
    paths = {BEST: best.path, **OTHERS}
    nets = [
        fit_network(recipe, law, fits, key, place, i) for i in range(recipe.networks)
    ]
    found, clouds = compare(recipe, law, paths, nets, key)
    found |= {
        "law": report.title_of(choice),
        "two true sets": law.floor(recipe.samples, jr.fold_in(key, 1)),
        "least energy": score.kinetic_optimal(error).energy,
        "least energy with the floor": best.energy,
        "energies": energies(law, paths, jr.fold_in(key, 2)),
    }
    gammas = {
        "from samples": gamma(error),
        "exact": gamma(lambda s: exact_error(law, s, jr.fold_in(key, 3))),
    }
    return found, report.section(choice, place, found, paths, gammas, clouds)


def path_from_data(
    law: PlaneLaw, choice: PathFromData, key: Array
) -> tuple[Callable, score.KineticOptimal]:
    """The error of denoising, and the path of least kinetic energy, from samples."""
    drawn, noise = jr.split(key)
    data = law.draw(choice.samples, drawn)
    data = data - jnp.mean(data, axis=0)
    data = data / jnp.sqrt(jnp.mean(data**2))
    error = score.denoising_error(data, key=noise, probes=choice.probes, held_out=True)
    return error, score.kinetic_optimal(error, floor=choice.floor)


def fit_network(
    recipe: KineticOptimalRecipe,
    law: PlaneLaw,
    fits: Fits,
    key: Array,
    place: int,
    number: int,
) -> score.Predictor:
    """A velocity on the linear path."""
    keys = jr.split(jr.fold_in(key, 10 + number), 3)
    data = law.draw(recipe.data, keys[0]).astype(jnp.float32)
    net = perceptron(recipe.network, 2, key=keys[1])
    return fits(
        f"law-{place}-net-{number}",
        recipe.training,
        score.Predictor(net=net, path=OTHERS["linear"], kind="velocity"),
        score.MatchingLoss(),
        ArraySource(data, recipe.training.batch_size),
        key=keys[2],
    )


def compare(
    recipe: KineticOptimalRecipe,
    law: PlaneLaw,
    paths: dict[str, score.AbstractPath],
    nets: list[score.Predictor],
    key: Array,
) -> tuple[dict[str, Any], dict[str, dict[str, Array]]]:
    """Energy distances "networks paths" for each field and number of calls."""
    assert law.exact is not None
    table: dict[str, Any] = {"exact": {}, "trained": {}}
    clouds: dict[str, dict[str, Array]] = {}
    true = {"true": law.draw(2000, jr.fold_in(key, 4))}
    for calls in recipe.calls:
        for field in table:
            rows = []
            for number, net in enumerate(nets):
                own, truth = jr.split(jr.fold_in(key, 100 + number))
                noise = jr.normal(own, (recipe.samples, 2))
                drawn = {
                    name: few_steps(
                        law.exact.along(path)
                        if field == "exact"
                        else score.OnPath(predictor=net, path=path),
                        noise,
                        calls,
                        recipe.start,
                    )
                    for name, path in paths.items()
                }
                rows.append({name: law.apart(xs, truth) for name, xs in drawn.items()})
                if number == 0:
                    title = f"{field}, {calls} calls"
                    clouds[title] = true | {n: xs[:2000] for n, xs in drawn.items()}
            table[field][str(calls)] = rows
    return table, clouds


def few_steps(
    predictor: score.AbstractPredictor, noise: Array, calls: int, log_snr: float
) -> Array:
    """Euler's method, even in the time of the path, from noise of unit variance."""
    path = predictor.path
    assert isinstance(path, score.AbstractPath)
    start = path.time_at(log_snr)
    ts = jnp.linspace(start, path.t_data, calls + 1)
    return carried(predictor, path.sigma(start) * noise, ts, score.Euler())


def energies(
    law: PlaneLaw, paths: dict[str, score.AbstractPath], key: Array
) -> dict[str, float]:
    """The kinetic energy of the exact flow on each path, from 1,000 samples."""
    assert law.exact is not None
    drawn, noise = jr.split(key)
    data = law.draw(1000, drawn)
    # Denser towards the ends, where slopes grow.
    shares = np.sin(np.linspace(0.0, np.pi / 2, 101)) ** 2
    ts = jnp.asarray(1e-4 + (1 - 2e-4) * shares)
    return {
        name: float(score.kinetic_energy(law.exact.along(path), data, ts, key=noise))
        for name, path in paths.items()
    }


def gamma(error: Callable) -> tuple[np.ndarray, np.ndarray]:
    r"""$\gamma(\theta) = 1 - m(\tan\theta)/\cos^2\theta$ of an error of denoising."""
    s = np.tan(ANGLES)
    return ANGLES, 1 - np.asarray(error(s)) * (1 + s**2)


def exact_error(law: PlaneLaw, s: np.ndarray, key: Array) -> np.ndarray:
    """m(s) of the law itself, by its exact denoiser of 4,000 samples, less the luck
    that y s²/(1+s²) has with them, whose error is 1/(1+s²)."""
    data, noise = jr.split(key)
    xs = law.draw(4000, data)
    return np.asarray(_exact_error(law.exact, xs, noise, jnp.asarray(s)))


@eqx.filter_jit
def _exact_error(law, xs, key, s):
    path = score.Linear()
    exact, z = law.along(path), jr.normal(key, xs.shape)

    def at(s):
        t = path.time_at(jnp.log(s))

        def one(x, z):
            known = exact.predict(t, path.mix(t, x, z), "data")
            linear = s**2 / (1 + s**2) * (x + z / s)
            return jnp.mean((x - known) ** 2), jnp.mean((x - linear) ** 2)

        best, linear = (jnp.mean(e) for e in jax.vmap(one)(xs, z))
        return best - (linear - 1 / (1 + s**2))

    return jax.lax.map(at, s)
