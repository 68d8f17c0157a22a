"""How good posteriors and forecasts of fields are: numbers, their table, spectra."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from phix.metrics import crps, gaussian_crps, interval_coverage
from phix.space import Grid, shell_spectrum


# Of a normal law within which 90 % lie.
_NINETY = 1.6448536269514722


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """Mean and deviation at every node, "fields nodes"."""

    mean: np.ndarray
    std: np.ndarray
    chosen: str = ""


def dress(mean: np.ndarray, errors: np.ndarray, chosen: str = "") -> Gaussian:
    """A prediction without spread, given the root mean square of known errors."""
    std = np.sqrt(np.mean(np.square(errors, dtype=float)))
    return Gaussian(mean, np.full_like(mean, std), chosen)


def mean_crps(found: Gaussian, truth: np.ndarray) -> float:
    """The CRPS over all nodes, by which settings are chosen."""
    scores = gaussian_crps(*map(jnp.asarray, (found.mean, found.std, truth)))
    return float(jnp.mean(scores))


def of_gaussian(
    found: Gaussian, truth: np.ndarray, held: np.ndarray | None = None
) -> dict[str, Any]:
    """RMSE, CRPS and coverage at the nodes `held`, of all if None.

    The truth is "fields nodes", as `held` is.
    """
    held = np.ones(truth.shape, bool) if held is None else held
    mean, std, seen = found.mean[held], found.std[held], truth[held]
    return {
        "rmse": float(np.sqrt(np.mean((mean - seen) ** 2))),
        "crps": mean_crps(Gaussian(mean, std), seen),
        "coverage": float(np.mean(np.abs(mean - seen) <= _NINETY * std)),
        "spread": float(np.sqrt(np.mean(std**2))),
        "chosen": found.chosen,
    }


def of_ensemble(
    members: np.ndarray, truth: np.ndarray, held: np.ndarray | None = None
) -> dict[str, Any]:
    """RMSE of the mean, CRPS and coverage of members "members fields nodes".

    A chain that diverged counts as no member of its field but as the worst there is:
    NaN in all numbers.
    """
    held = np.ones(truth.shape, bool) if held is None else held
    wanted, seen = jnp.asarray(truth[held]), jnp.asarray(members[:, held])
    mean = jnp.mean(seen, axis=0)
    finite = bool(jnp.all(jnp.isfinite(seen)))
    return {
        "rmse": float(jnp.sqrt(jnp.mean((mean - wanted) ** 2))),
        "crps": float(jnp.mean(crps(seen, wanted))),
        "coverage": float(interval_coverage(seen, wanted)) if finite else float("nan"),
        "spread": float(jnp.sqrt(jnp.mean(jnp.var(seen, axis=0, ddof=1)))),
        "diverged": int(np.sum(~np.isfinite(members).all(axis=2))),
    }


def score_rows(scored: dict[str, dict[str, Any]]) -> list[list[str]]:
    """The head, and one row for each method."""
    rows = [["method", "RMSE", "CRPS", "90 % covers", "spread", "seconds", "how"]]
    for name, row in scored.items():
        numbers = (f"{row[key]:.4f}" for key in ("rmse", "crps"))
        seconds = f"{row['seconds']:.0f}" if "seconds" in row else "–"
        lost = row.get("diverged", 0)
        how = row.get("chosen") or "–"
        how += f"; {lost} chains diverged" if lost else ""
        covers = f"{100 * row['coverage']:.1f} %"
        rows.append([name, *numbers, covers, f"{row['spread']:.3f}", seconds, how])
    return rows


def compared(scored: dict[str, dict[str, Any]], learned: tuple[str, ...]) -> str:
    """How the learned methods stand to the best of all others, in RMSE and in CRPS."""
    best = {
        key: min(
            (row[key], name) for name, row in scored.items() if name not in learned
        )
        for key in ("rmse", "crps")
    }
    said = [
        "Best baseline: "
        + ", ".join(
            f"{key.upper()} {value:.4f} ({name})" for key, (value, name) in best.items()
        )
        + "."
    ]
    for name in learned:
        gains = [100 * (1 - scored[name][key] / best[key][0]) for key in best]
        said.append(f"{name}: RMSE {gains[0]:+.1f} %, CRPS {gains[1]:+.1f} % better.")
    return "\n".join(said)


def mean_spectrum(grid: Grid, us: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wavenumbers and the mean square of their shells, from the first, over all fields
    whatever the leading axes."""
    fields = jnp.asarray(us, jnp.float32).reshape(-1, 1, *grid.shape)
    waves, _ = shell_spectrum(grid, fields[0])
    power = jax.jit(jax.vmap(lambda u: shell_spectrum(grid, u)[1][0]))(fields)
    return waves[1:], np.asarray(jnp.mean(power, axis=0))[1:]
