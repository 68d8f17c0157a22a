"""Adaptive steps: Diffrax's driver, made to land on every output time."""

import warnings
from collections.abc import Callable

import diffrax as dfx
import jax.lax as lax
import jax.numpy as jnp

from phix._errors import Result
from phix._types import Array, Int, PyTree, Real, RealScalar


# Steps allowed in all when the caller sets no bound.
_DEFAULT_STEPS = 16_384


def solve_adaptive(
    terms: PyTree,
    scheme: dfx.AbstractSolver,
    decode: Callable,
    y0: PyTree,
    ts: Real[Array, " time"],
    args: PyTree,
    tolerances: tuple[RealScalar, RealScalar],
    memory: int | None,
    max_steps: int | None,
) -> tuple[PyTree, Int[Array, ""], Real[Array, ""], dict]:
    """The decoded states at `ts[1:]`, the result code, the first bad time, counters."""
    rtol, atol = tolerances
    bound = _DEFAULT_STEPS if max_steps is None else max_steps * (ts.size - 1)
    controller = dfx.ClipStepSizeController(
        dfx.PIDController(rtol=rtol, atol=atol), step_ts=ts
    )
    frames = dfx.SubSaveAt(ts=ts[1:], fn=lambda t, y, args: decode(y))
    reached = dfx.SubSaveAt(t1=True, fn=lambda t, y, args: t)
    with warnings.catch_warnings():
        # Right for the schemes used here, and tested; Diffrax warns on every call.
        warnings.filterwarnings("ignore", "Complex dtype support")
        solution = dfx.diffeqsolve(
            terms,
            scheme,
            ts[0],
            ts[-1],
            None,
            y0,
            args,
            saveat=dfx.SaveAt(subs=(frames, reached)),
            stepsize_controller=controller,
            adjoint=dfx.RecursiveCheckpointAdjoint(checkpoints=memory),
            max_steps=bound,
            throw=False,
        )
    assert solution.ys is not None  # one entry for each of `subs`
    us, last = solution.ys
    code = _translate(solution.result)
    time = jnp.where(code == 0, jnp.inf, last[0])
    count = lambda name: jnp.asarray(solution.stats[name], jnp.int32)  # noqa: E731
    stats = {
        "num_steps": count("num_accepted_steps"),
        "num_rejected": count("num_rejected_steps"),
    }
    return us, code, lax.stop_gradient(time), stats


def _translate(result: dfx.RESULTS) -> Int[Array, ""]:
    """Diffrax's result as a phix code."""
    many = result == dfx.RESULTS.max_steps_reached
    code = jnp.where(many, Result.max_steps_reached, Result.solver_failed)
    code = jnp.where(result == dfx.RESULTS.successful, Result.successful, code)
    return code.astype(jnp.int32)
