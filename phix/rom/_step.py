"""One step of latent dynamics."""

from collections.abc import Callable

import diffrax as dfx

from phix._types import Array, Float
from phix.integrate import make_stepper


def latent_step(
    dynamics: Callable,
    latent: Float[Array, " latent"],
    t: Float[Array, ""],
    h: Float[Array, ""],
    cond: Float[Array, " parameters"] | None,
) -> Float[Array, " latent"]:
    """One step of Bogacki and Shampine's third order, that of `forecast`."""
    stepper, state = make_stepper(
        dynamics, latent, h, scheme=dfx.Bosh3(), t0=t, args=cond
    )
    return stepper(state, cond=cond).y
