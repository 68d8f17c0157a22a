"""What needs no network: spline, Gaussian process, optimal interpolation, the nearest
training field. All settings are chosen on the validation fields."""

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np

from phix.recipes._field_data import Fields, Problem, correlate
from phix.recipes._field_scores import Gaussian, dress, mean_crps


def baselines(
    fields: Fields, validation: Problem, test: Problem
) -> dict[str, Gaussian]:
    """The predictions of all of them for the test fields."""
    n, size = fields.grid.shape[0], float(np.std(fields.train))
    candidates = {
        "spline": {
            f"smoothing {s:g}": lambda s=s: _power_law(n, 4.0, s) for s in _SMOOTHING
        },
        "Gaussian process": {
            f"{name}, length {length:g}": lambda f=f, length=length: f(n, length, size)
            for (name, f), length in itertools.product(_KERNELS.items(), _LENGTHS)
        },
        "optimal interpolation": {
            f"covariance averaged over shifts {share:g}": (
                lambda share=share: second_moments(
                    np.asarray(fields.train[:, 0]), share
                )
            )
            for share in _SHARES
        },
    }
    found = {
        name: _best(choices, validation, test, dressed=name == "spline")
        for name, choices in candidates.items()
    }
    found["nearest training field"] = _nearest(fields, validation, test)
    return found


_SMOOTHING = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
# In nodes.
_LENGTHS = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
_SHARES = (0.0, 0.5, 0.8, 1.0)


def _best(
    choices: dict[str, Callable], validation: Problem, test: Problem, *, dressed: bool
) -> Gaussian:
    """The setting of least CRPS on the validation fields."""
    scores, kept = {}, None
    for name, build in choices.items():
        covariance = build()
        found = conditioned(covariance, validation)
        if dressed:
            found = dress(found.mean, _errors(found.mean, validation))
        scores[name] = mean_crps(found, validation.flat)
        if scores[name] == min(scores.values()):
            kept = (name, covariance, found)
    assert kept is not None
    name, covariance, seen = kept
    found = conditioned(covariance, test)
    if dressed:
        found = dress(found.mean, _errors(seen.mean, validation))
    return dataclasses.replace(found, chosen=name)


def _errors(mean: np.ndarray, problem: Problem) -> np.ndarray:
    """At the nodes that are no sensors."""
    return (mean - problem.flat)[problem.held]


def conditioned(covariance: np.ndarray, problem: Problem) -> Gaussian:
    """The posterior of zero-mean Gaussian fields, "nodes nodes"; exact."""
    means, stds = [], []
    for nodes, readings in zip(problem.nodes, problem.readings, strict=True):
        rows = readings_matrix(problem, nodes)
        cross = covariance @ rows.T
        system = rows @ cross + problem.noise**2 * np.eye(len(nodes))
        gain = np.linalg.solve(system, cross.T).T
        means.append(gain @ np.asarray(readings, float))
        variance = np.diag(covariance) - np.sum(gain * cross, axis=1)
        stds.append(np.sqrt(np.maximum(variance, 1e-6)))
    return Gaussian(np.stack(means), np.stack(stds))


def readings_matrix(problem: Problem, nodes: np.ndarray) -> np.ndarray:
    """The operator of one field, "readings nodes"."""
    shape = problem.stencil.shape
    places = np.stack(np.unravel_index(nodes, shape), 1)
    return np.stack(
        [np.roll(problem.stencil, place, (0, 1)).ravel() for place in places]
    )


def stationary(row: np.ndarray) -> np.ndarray:
    """The covariance "nodes nodes" of shifts x − y, given those with the first node."""
    n = row.shape[0]
    places = np.stack(np.unravel_index(np.arange(row.size), row.shape))
    apart = (places[:, :, None] - places[:, None, :]) % n
    return row[apart[0], apart[1]]


def _of_spectrum(spectrum: np.ndarray, variance: float) -> np.ndarray:
    row = np.fft.ifft2(spectrum).real
    return stationary(variance * row / row[0, 0])


def _squared_wavenumbers(n: int) -> np.ndarray:
    """In 1/node."""
    k = 2 * np.pi * np.fft.fftfreq(n)
    return k[:, None] ** 2 + k**2


def _power_law(n: int, power: float, scale: float) -> np.ndarray:
    """The periodic thin-plate spline: spectrum |κ|⁻⁴, and a constant that is free."""
    square = _squared_wavenumbers(n)
    square[0, 0] = 1.0
    spectrum = scale * square ** (-power / 2)
    spectrum[0, 0] = 10.0 * n**2
    return stationary(np.fft.ifft2(spectrum).real)


def _squared_exponential(n: int, length: float, size: float) -> np.ndarray:
    return _of_spectrum(np.exp(-_squared_wavenumbers(n) * length**2 / 2), size**2)


def _matern(nu: float) -> Callable:
    def build(n: int, length: float, size: float) -> np.ndarray:
        square = _squared_wavenumbers(n) * length**2 / (2 * nu)
        return _of_spectrum((1 + square) ** -(nu + 1), size**2)

    return build


_KERNELS = {
    "squared exponential": _squared_exponential,
    "Matérn 3/2": _matern(1.5),
    "Matérn 5/2": _matern(2.5),
}


def second_moments(us: np.ndarray, share: float) -> np.ndarray:
    """Of the fields "fields x y": as they are, and averaged over the symmetries of the
    square, in which case their mean is zero; mixed."""
    us = np.asarray(us, float)
    flat = us.reshape(len(us), -1)
    power = np.mean(np.abs(np.fft.fft2(us)) ** 2, axis=0) / flat.shape[1]
    # Quarter turns and reflections.
    power = (power + power.T) / 2
    power = (power + np.roll(power[::-1], 1, 0)) / 2
    averaged = stationary(np.fft.ifft2(power).real)
    return share * averaged + (1 - share) * (flat.T @ flat) / len(flat)


def _nearest(fields: Fields, validation: Problem, test: Problem) -> Gaussian:
    """Under all shifts, quarter turns and reflections."""
    us = np.asarray(fields.train[:, 0], np.float32)
    seen, found = (nearest_field(us, problem) for problem in (validation, test))
    return dress(found, _errors(seen, validation))


def nearest_field(us: np.ndarray, problem: Problem) -> np.ndarray:
    """Of all images of the fields the one of least misfit to the readings of each."""
    shape, count = us.shape[1:], len(problem.nodes)
    # Readings y at places p: Σ (y − u(p + s))² for all shifts s at once.
    weight, places = np.zeros((2, count, us[0].size), np.float32)
    np.put_along_axis(weight, problem.nodes, np.asarray(problem.readings), 1)
    np.put_along_axis(places, problem.nodes, 1.0, 1)
    weight, places = (
        np.fft.rfft2(w.reshape(count, *shape)).conj() for w in (weight, places)
    )
    least = np.full(count, np.inf)
    best = np.zeros((count, us[0].size))
    for u, image in itertools.product(us, range(8)):
        field = symmetric(u, image)
        smooth = correlate(field, problem.stencil)
        misfit = np.fft.irfft2(
            np.fft.rfft2(smooth**2) * places - 2 * np.fft.rfft2(smooth) * weight, shape
        ).reshape(count, -1)
        at = misfit.argmin(1)
        value = misfit[np.arange(count), at]
        for i in np.flatnonzero(value < least):
            shift = np.unravel_index(at[i], shape)
            best[i] = np.roll(field, [-s for s in shift], (0, 1)).ravel()
            least[i] = value[i]
    return best


def symmetric(u: np.ndarray, image: int) -> np.ndarray:
    """One of the eight symmetries of the square, under which vorticity changes sign
    with every reflection."""
    if image & 1:
        u = -u[::-1]
    if image & 2:
        u = -u[:, ::-1]
    return -u.T if image & 4 else u
