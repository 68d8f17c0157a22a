"""Steps as long as transport allows, chosen anew at every output time."""

from collections.abc import Callable

import equinox as eqx
import jax.lax as lax
import jax.numpy as jnp

from phix._errors import Result, is_concrete, require
from phix._types import Array, Bool, Int, PyTree, Real, RealScalar
from phix.integrate._plan import Plan
from phix.pde import AbstractEquation


class Courant(eqx.Module):
    r"""Steps bounded by the transport of the moment, for `solve(..., dt=Courant(C))`.

    An interval Δ of the output times is crossed in $n = \lceil \Delta\lambda/C \rceil$
    equal steps, with $\lambda \ge \max_{x,k}|u(x)\cdot k|$ at its beginning, the
    fastest that the flow turns a wave that is kept (`equation.transport_rate`). A flow
    that slows down is followed in longer and longer steps; one that speeds up does not
    leave the stable region. Costs a velocity at the nodes, and the tables of the
    scheme, for each interval: with Lawson's schemes only exponentials. Schemes
    of several steps begin anew in every interval, about four evaluations times the
    order.

    Derivatives see the steps as given: their number is a whole one. Under `vmap` every
    sample takes the time of `max_steps` steps.

    **Arguments:**

    - `number`: $C > 0$, the largest $h\lambda$; a scalar, may be traced. The limit is
        the column *waves* in "How to choose a scheme", and beyond where viscosity
        damps the shortest waves.

    **Raises:** `ValueError` for a number that is not positive and finite.

    !!! example "Good values"
        2.5 with schemes of four stages, 3.5 with `Lawson3`; about twice that where
        viscosity damps the shortest waves. Output times ten to thirty steps apart.
    """

    number: Real[Array, ""]

    def __init__(self, number: RealScalar):
        require(
            not is_concrete(number) or 0 < float(number) < float("inf"),
            f"`number` must be positive and finite; got {number}",
        )
        self.number = jnp.asarray(number, float)

    def plan(self, ts: Real[Array, " time"], max_steps: int | None) -> Plan:
        """Steps still to be chosen, at most `max_steps` for an interval."""
        require(
            max_steps is not None,
            "`max_steps`: with dt=Courant(...) pass the most steps that there can be "
            "between two output times",
        )
        assert max_steps is not None
        # Tables and starts of the plan itself are not used, but must be finite.
        h = jnp.diff(ts) / max_steps
        counts = jnp.full(h.shape, max_steps, jnp.int32)
        good = jnp.all(h > 0) & (self.number > 0) & jnp.isfinite(self.number)
        code = jnp.where(good, Result.successful, Result.invalid_parameter)
        return Plan(ts[:-1], ts[1:], h, counts, code, max_steps, False, False)

    def chooser(self, problem: AbstractEquation) -> Callable:
        """`choose(y, span, most)`: the number of steps, and whether it was cut."""
        rate = getattr(problem, "transport_rate", None)
        require(
            rate is not None,
            f"dt=Courant(...) asks for the speed of a flow; {type(problem).__name__} "
            "has no `transport_rate(y)`, so give `dt` as a number",
        )
        assert rate is not None

        def choose(
            y: PyTree, span: Real[Array, ""], most: int
        ) -> tuple[Int[Array, ""], Bool[Array, ""]]:
            wanted = jnp.ceil(span * lax.stop_gradient(rate(y)) / self.number)
            # Of a state that is not finite any number of steps is as good.
            counts = jnp.clip(jnp.nan_to_num(wanted, nan=1.0), 1, most)
            return counts.astype(jnp.int32), wanted > most

        return choose
