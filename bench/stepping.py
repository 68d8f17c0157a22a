"""One compiled program for any number of steps of a scheme."""

from collections.abc import Callable

import equinox as eqx
import jax

from phix import make_stepper


def last_field(equation, u0) -> Callable:
    """`run(scheme, h, steps)`: the field after traced `steps` of traced length `h`."""

    @eqx.filter_jit
    def run(scheme, h, steps):
        stepper, state = make_stepper(equation, u0, h, scheme=scheme)
        state = jax.lax.fori_loop(0, steps, lambda _, s: stepper(s), state)
        return stepper.observe(state)

    return run
