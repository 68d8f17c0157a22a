"""Forecasts without a network: persistence, climatology, regression, analogues, and the
solver from what is known. Settings are chosen on the validation pairs."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from phix.integrate import solve
from phix.metrics import crps
from phix.recipes._field_scores import Gaussian, dress, mean_crps
from phix.recipes._forecast_data import Flow, Pairs, equation, moved
from phix.recipes._interpolant_choices import KolmogorovFlow


SOLVER = "solver from the view"
# Of the mean square of the coefficients.
_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
_NEIGHBOURS = (19, 39, 79)


def gaussians(choice: KolmogorovFlow, flow: Flow) -> dict[str, Gaussian]:
    """The forecasts of the test pairs that are one field, given the spread of its
    errors on the validation pairs; and the climatology."""
    (now, later), (test, _) = flow.validation.flat(), flow.test.flat()
    found = {
        "climatology": climatology(flow.train, choice.wavenumber, len(test)),
        "persistence": dress(test, now - later),
    }
    tried = []
    for ridge in _RIDGES:
        forecast = LinearForecast(flow.train, choice.wavenumber, ridge)
        errors = forecast(flow.validation.now) - later
        dressed = dress(later + errors, errors)
        said = f"ridge {ridge:g}"
        tried.append((mean_crps(dressed, later), said, forecast, errors))
    _, said, forecast, errors = min(tried, key=lambda row: row[0])
    found["linear regression"] = dress(forecast(flow.test.now), errors, said)
    seen, wanted = (solved(choice, flow, p) for p in (flow.validation, flow.test))
    found[SOLVER] = dress(wanted, seen - later)
    return found


def images_of(us: np.ndarray, halves: int, turned: bool, wavenumber: int) -> np.ndarray:
    """Fields "fields x y" under the symmetries of the force but shifts along x."""
    us = np.roll(us, us.shape[2] // (2 * wavenumber) * halves, 2)
    if halves % 2:
        us = -np.roll(us[:, ::-1], 1, 1)
    return np.roll(us[:, ::-1, ::-1], (1, 1), (1, 2)) if turned else us


def _symmetries(wavenumber: int):
    return itertools.product(range(2 * wavenumber), (False, True))


def profiles(train: Pairs, wavenumber: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the states later over all images: functions of y alone."""
    us = np.asarray(train.later[:, 0], float)
    first, second = np.zeros((2, us.shape[2]))
    for halves, turned in _symmetries(wavenumber):
        seen = images_of(us, halves, turned, wavenumber)
        first += seen.mean((0, 1)) / (4 * wavenumber)
        second += (seen**2).mean((0, 1)) / (4 * wavenumber)
    return first, np.sqrt(second - first**2)


def climatology(train: Pairs, wavenumber: int, count: int) -> Gaussian:
    """What is known without the state now."""
    shape = train.later.shape[2:]
    mean, std = (
        np.array(np.broadcast_to(p, (count, *shape))).reshape(count, -1)
        for p in profiles(train, wavenumber)
    )
    return Gaussian(mean, std)


class LinearForecast:
    """Ridge regression of the anomalies later on those now, in all images: as shifts
    along x change nothing, one regression for each wave along x, from all y to all y.

    **Arguments:**

    - `train`: pairs.
    - `wavenumber`: of the force.
    - `ridge`: in units of the mean square of the coefficients.
    """

    def __init__(self, train: Pairs, wavenumber: int, ridge: float):
        pairs = [np.asarray(u[:, 0], float) for u in (train.now, train.later)]
        self.profiles = []
        n = pairs[0].shape[2]
        moments = np.zeros((2, n // 2 + 1, n, n), complex)
        images = [
            [images_of(u, *which, wavenumber) for u in pairs]
            for which in _symmetries(wavenumber)
        ]
        for part in range(2):
            self.profiles.append(np.mean([im[part].mean((0, 1)) for im in images], 0))
        for both in images:
            now, later = (
                np.fft.rfft(u - p, axis=1).transpose(1, 0, 2)
                for u, p in zip(both, self.profiles, strict=True)
            )
            adjoint = now.conj().transpose(0, 2, 1)
            moments += np.stack([adjoint @ now, adjoint @ later])
        square, cross = moments
        size = np.trace(square, axis1=1, axis2=2).real.max() / n
        self.matrices = np.linalg.solve(square + ridge * size * np.eye(n), cross)

    def __call__(self, now: jax.Array) -> np.ndarray:
        """The forecasts "pairs nodes" of views "pairs 1 x y"."""
        us = np.asarray(now[:, 0], float)
        waves = np.fft.rfft(us - self.profiles[0], axis=1).transpose(1, 0, 2)
        later = (waves @ self.matrices).transpose(1, 0, 2)
        found = np.fft.irfft(later, us.shape[1], axis=1) + self.profiles[1]
        return found.reshape(len(us), -1)


def solved(choice: KolmogorovFlow, flow: Flow, pairs: Pairs) -> np.ndarray:
    """The solver of the data, which starts from what is known: "pairs nodes"."""
    fluid = equation(choice)
    fine, seen = fluid.space.modes(), flow.grid.modes()

    @jax.jit
    def later(now):
        u0 = moved(now * flow.scale, seen, fine)
        ts = np.array([0.0, choice.lag])
        run = solve(fluid, u0, ts, dt=choice.dt, throw=False)
        return moved(run.us[-1], fine, seen) / flow.scale

    found = jax.lax.map(later, pairs.now, batch_size=16)
    return np.asarray(found, float).reshape(len(found), -1)


def analogues(choice: KolmogorovFlow, flow: Flow) -> tuple[np.ndarray, str]:
    """What came after the training views nearest to each test view, among all their
    images: "members pairs nodes", and how many were chosen."""
    nearest = [
        nearest_futures(flow.train, pairs.now, choice.wavenumber, max(_NEIGHBOURS))
        for pairs in (flow.validation, flow.test)
    ]
    truth = jnp.asarray(flow.validation.flat()[1])
    scores = {
        count: float(jnp.mean(crps(jnp.asarray(nearest[0][:count]), truth)))
        for count in _NEIGHBOURS
        if count <= len(nearest[0])
    }
    if not scores:
        raise ValueError(
            f"flow: {len(flow.train.now)} training pairs are fewer than the "
            f"{_NEIGHBOURS[0]} that analogues need"
        )
    best = min(scores, key=scores.__getitem__)
    return nearest[1][:best], f"{best} neighbours"


def nearest_futures(
    train: Pairs, now: jax.Array, wavenumber: int, count: int
) -> np.ndarray:
    """The images of states later whose views now are nearest, each training pair at
    most once: "count pairs nodes", the nearest first."""
    views, futures = (np.asarray(u[:, 0], np.float32) for u in (train.now, train.later))
    wanted, shape = np.asarray(now[:, 0], np.float32), views.shape[1:]
    count = min(count, len(views))
    along = np.fft.rfft(wanted, axis=1).transpose(1, 0, 2)
    least = np.full((len(wanted), len(views)), np.inf)
    which = list(_symmetries(wavenumber))
    place = np.zeros((2, *least.shape), int)
    for number, symmetry in enumerate(which):
        seen = images_of(views, *symmetry, wavenumber)
        # Σ w(x, y) u(x − s, y) for all shifts s at once.
        waves = np.fft.rfft(seen, axis=1).conj().transpose(1, 2, 0)
        overlap = np.fft.irfft(along @ waves, shape[0], axis=0)
        far = np.sum(seen**2, (1, 2)) - 2 * overlap.max(0)
        closer = far < least
        least = np.where(closer, far, least)
        place = np.where(
            closer, [np.full_like(place[0], number), overlap.argmax(0)], place
        )
    found = np.zeros((count, len(wanted), shape[0] * shape[1]))
    for i, row in enumerate(least):
        for rank, j in enumerate(np.argsort(row)[:count]):
            number, shift = (int(p) for p in place[:, i, j])
            field = images_of(futures[[j]], *which[number], wavenumber)[0]
            found[rank, i] = np.roll(field, shift, 0).ravel()
    return found
