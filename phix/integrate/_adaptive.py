"""Adaptive steps: Diffrax's driver, made to land on every output time."""

import warnings
from collections.abc import Callable

import diffrax as dfx
import jax.lax as lax
import jax.numpy as jnp
import jax.tree_util as jtu

from phix._errors import Result
from phix._types import Array, Inexact, Int, PyTree, Real, RealScalar


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
    by_channel: bool,
    memory: int | None,
    max_steps: int | None,
) -> tuple[PyTree, Int[Array, ""], Real[Array, ""], dict]:
    """The decoded states at `ts[1:]`, the result code, the first bad time, counters.

    `by_channel` measures errors by the norm of each channel, not number by number.
    """
    rtol, atol = tolerances
    bound = _DEFAULT_STEPS if max_steps is None else max_steps * (ts.size - 1)
    controller = dfx.ClipStepSizeController(
        dfx.PIDController(rtol=rtol, atol=atol), step_ts=ts
    )
    if by_channel:
        controller = _ByChannel(controller)
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


class _ByChannel(dfx.AbstractStepSizeController):
    """Shows a controller the norms of a state's channels.

    Most coefficients of a smooth field are far below any tolerance. Held to it one by
    one, they would decide the step by `atol` alone, whatever `rtol` is.
    """

    controller: dfx.AbstractStepSizeController

    def wrap(self, direction):
        """Diffrax's `wrap`."""
        return _ByChannel(self.controller.wrap(direction))

    def init(self, terms, t0, t1, y0, dt0, args, func, error_order):
        """Diffrax's `init`."""
        return self.controller.init(terms, t0, t1, y0, dt0, args, func, error_order)

    def adapt_step_size(
        self, t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state
    ):
        """Diffrax's `adapt_step_size`."""
        y0, y1, error = jtu.tree_map(_channel_norms, (y0, y1_candidate, y_error))
        return self.controller.adapt_step_size(
            t0, t1, y0, y1, args, error, error_order, controller_state
        )


def _channel_norms(y: Inexact[Array, " channels *modes"]) -> Real[Array, " channels"]:
    y = lax.stop_gradient(y)
    return jnp.sqrt(jnp.sum(jnp.abs(y) ** 2, axis=tuple(range(1, y.ndim))))


def _translate(result: dfx.RESULTS) -> Int[Array, ""]:
    """Diffrax's result as a phix code."""
    many = result == dfx.RESULTS.max_steps_reached
    code = jnp.where(many, Result.max_steps_reached, Result.solver_failed)
    code = jnp.where(result == dfx.RESULTS.successful, Result.successful, code)
    return code.astype(jnp.int32)
