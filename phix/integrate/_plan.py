"""Which steps land on which output times."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from phix._errors import Result, is_concrete, require
from phix._types import Array, Bool, Int, IntScalar, PyTree, Real, RealScalar


class Plan(eqx.Module):
    """Interval i takes `counts[i]` steps of length `h[i]` from `starts[i]`.

    `length` is the static length of the inner scan, at least every count; where it is
    above one, the remaining steps of that interval are skipped. `uniform` says that
    there are none, `constant` that all steps have one length. `code` refuses the plan
    before the run.
    """

    starts: Real[Array, " intervals"]
    stops: Real[Array, " intervals"]
    h: Real[Array, " intervals"]
    counts: Int[Array, " intervals"]
    code: IntScalar
    length: int = eqx.field(static=True)
    uniform: bool = eqx.field(static=True)
    constant: bool = eqx.field(static=True)

    def time_of_step(self, ordinal: Int[Array, ""]) -> Real[Array, ""]:
        """The time reached by the step with this number, counted over all intervals."""
        ends = jnp.cumsum(self.counts)
        i = jnp.searchsorted(ends, ordinal, side="right")
        i = jnp.minimum(i, ends.size - 1)
        before = ends[i] - self.counts[i]
        done = jnp.asarray(ordinal - before + 1, self.h.dtype)
        return self.starts[i] + done * self.h[i]


def make_plan(
    ts: Real[Array, " time"],
    dt: RealScalar | np.ndarray | np.generic,
    max_steps: int | None,
    exact: bool = False,
    given: PyTree = None,
) -> Plan:
    """Splits every interval of `ts` into n = ⌈Δ/dt⌉ equal steps.

    `exact` asks for whole multiples of `dt` (an equation that owns its step). `given`
    are the times before their cast to the state's precision: Δ/dt is rounded with an
    allowance for the rounding of what the caller wrote, so that 7.0 in steps of 0.07
    are 100 steps, not 101.
    """
    given = ts if given is None else given
    if is_concrete(given, dt):
        counts = _concrete_counts(given, dt, max_steps, exact)
        length, uniform, code = int(counts.max()), bool(np.ptp(counts) == 0), 0
        # In float64 first: differences of float32 times have lost digits.
        h, constant = _step_lengths(given, counts)
        h = jnp.asarray(h, ts.dtype)
        counts = jnp.asarray(counts, jnp.int32)
    elif max_steps is None:
        raise ValueError(
            "`max_steps`: `dt` or `ts` is traced, so the number of steps between two "
            "output times is not known; pass the most there can be. (Inside `jit` "
            "every jnp call makes a traced array: make `ts` and `dt` with NumPy.)"
        )
    else:
        counts, code = _traced_counts(ts, dt, max_steps)
        length, uniform, constant = max_steps, False, ts.size == 2
        h = jnp.diff(ts) / jnp.asarray(counts, ts.dtype)
    return Plan(ts[:-1], ts[1:], h, counts, code, length, uniform, constant)


def _step_lengths(ts, counts: np.ndarray) -> tuple[np.ndarray, bool]:
    """The step in each interval, and whether they differ by rounding of `ts` only."""
    eps = _eps(np.asarray(ts))
    ts = np.asarray(ts, np.float64)
    h = np.diff(ts) / counts
    constant = bool(np.ptp(h) <= 4 * eps * np.abs(ts).max())
    return (
        np.full_like(h, (ts[-1] - ts[0]) / counts.sum()) if constant else h
    ), constant


def _allowance(xp, ts, dt, ratio, eps):
    """The rounding error of Δ/dt for times and a step rounded to `eps`."""
    return 4 * eps * (xp.max(xp.abs(ts)) / dt + ratio)


def _eps(*values) -> float:
    """The spacing of the coarsest floating type among `values`."""
    types = [getattr(v, "dtype", np.dtype("float64")) for v in values]
    return max(
        float(jnp.finfo(t).eps) for t in types if jnp.issubdtype(t, jnp.floating)
    )


def _concrete_counts(ts, dt, max_steps, exact) -> np.ndarray:
    eps = _eps(np.asarray(ts), np.asarray(dt))
    ts, dt = np.asarray(ts, np.float64), float(dt)
    require(
        bool(dt > 0),
        f"`dt` must be a positive step (infinite for one step per interval); got {dt}",
    )
    ratio = np.diff(ts) / dt
    slack = _allowance(np, ts, dt, ratio, eps)
    counts = np.maximum(np.ceil(ratio - slack), 1)
    if exact:
        whole = np.rint(ratio)
        bad = (np.abs(ratio - whole) > slack) | (whole < 1)
        require(
            not bool(bad.any()),
            f"`ts`: this equation steps by its own dt = {dt:g}, so output times must "
            f"be whole multiples of it apart; got an interval of "
            f"{ratio[bad.argmax()]:.6g} dt",
        )
        counts = whole
    most = counts.max()
    require(
        bool(most <= (2**31 - 1 if max_steps is None else max_steps)),
        f"`max_steps` = {max_steps} is below the {most:.0f} steps of `dt` = {dt:g} "
        "between two output times; raise it or take a larger `dt`",
    )
    return counts.astype(np.int64)


def _traced_counts(ts, dt, max_steps) -> tuple[Int[Array, " intervals"], IntScalar]:
    dt = jnp.asarray(dt, ts.dtype)
    valid: Bool[Array, ""] = (dt > 0) & jnp.all(jnp.diff(ts) > 0)
    ratio = jnp.diff(ts) / jnp.where(valid, dt, 1)
    slack = _allowance(jnp, ts, jnp.where(valid, dt, 1), ratio, _eps(ts))
    wanted = jnp.ceil(ratio - slack)
    counts = jnp.clip(wanted, 1, max_steps).astype(jnp.int32)
    too_many = jnp.any(wanted > max_steps)
    code = jnp.where(too_many, Result.max_steps_reached, Result.successful)
    return counts, jnp.where(valid, code, Result.invalid_parameter)
