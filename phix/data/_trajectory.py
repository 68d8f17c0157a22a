"""The one record of a run: what `integrate` returns, `data` saves and `fit` draws."""

import equinox as eqx
import numpy as np

from phix._errors import PhixError, Result, describe, is_concrete
from phix._types import Array, Int, PyTree, Real
from phix.space import AbstractSpace


class Trajectory(eqx.Module):
    """States at output times, with how they came about.

    A batch of trajectories is the same record with leading axes on every array, as
    `jax.vmap` makes it.

    **Arguments:**

    - `ts`: the output times, start included, `"time"`; non-dimensional.
    - `us`: the states at `ts`: a field `"time channels *space"`, or any PyTree of
        arrays with time first.
    - `space`: where a field lives, or `None` for a bare vector field.
    - `params`: the physical parameters by name, as the equation holds them.
    - `result`: a `phix.Result` code, 0 for success.
    - `stats`: counters by name, and `stable_step` where the equation knows one.
    - `first_bad_time`: the first time whose state must not be trusted; infinite when
        all went well.
    """

    ts: Real[Array, "*batch time"]
    us: PyTree
    space: AbstractSpace | None
    params: dict
    result: Int[Array, "*batch"]
    stats: dict
    first_bad_time: Real[Array, "*batch"]

    def throw(self) -> "Trajectory":
        """Raises if the run failed; otherwise returns the trajectory itself.

        Under a trace there is nothing to look at yet and nothing is raised.

        **Raises:** `PhixError` with the result code, the first bad time and, where
        known, the stable step.
        """
        if not is_concrete(self.result, self.first_bad_time):
            return self
        codes = np.atleast_1d(np.asarray(self.result)).ravel()
        failed = np.flatnonzero(codes)
        if failed.size > 0:
            code = Result(int(codes[failed[0]]))
            raise PhixError(_message(self, codes, failed), code)
        return self


def _message(trajectory: Trajectory, codes: np.ndarray, failed: np.ndarray) -> str:
    """What went wrong, where and when, and the step that would have been stable."""
    index = failed[0]
    text = describe(int(codes[index]))
    time = np.asarray(trajectory.first_bad_time).ravel()[index]
    text += f"\nFirst bad time: {time:.6g}."
    step = trajectory.stats.get("stable_step")
    if step is not None and is_concrete(step):
        step = np.broadcast_to(np.asarray(step), np.shape(trajectory.result))
        text += f" Stable step at the start: {step.ravel()[index]:.6g}."
    if codes.size > 1:
        text = f"{failed.size} of {codes.size} failed, first number {index}: {text}"
    return text
