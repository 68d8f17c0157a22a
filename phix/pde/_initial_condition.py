"""Whether a field is what it is said to be, before anything is computed from it."""

import equinox as eqx
import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Float, RealScalar
from phix.pde._klein_gordon import KleinGordon
from phix.pde._seam import seam
from phix.space import spectral_derivative


def check_initial_condition(
    equation: KleinGordon,
    u: Float[Array, "2 x"],
    *,
    speed: float | None = None,
    energy: float | None = None,
    rigid: bool = False,
    tolerance: float = 1e-5,
) -> dict[str, str]:
    r"""What is wrong with a localised field in one dimension that is about to move.

    - `"seam"`: φ jumps where the sides of the grid meet. What is there radiates.
    - `"vacuum"`: at the ends φ is in no minimum of V: $V' \ne 0$, or $V'' < 0$ (the top
        of a barrier, from which it rolls).
    - `"speed"`: the centre of energy moves at momentum/energy, whatever the solution,
        and that is not the speed claimed.
    - `"energy"`: it is not the energy claimed.
    - `"residual"`: $\varphi_t + u\varphi_x$ or $(1 - u^2)\varphi_{xx} - V'$, both zero
        for what moves rigidly at the speed u, is not.

    **Arguments:**

    - `equation`: in one dimension, of unit speed, on sides that are glued.
    - `u`: φ and its rate, `"2 x"`.
    - `speed`: what it should move at; None for no claim.
    - `energy`: what it should have; None for no claim.
    - `rigid`: whether it should keep its form (a kink does, a breather does not); needs
        a `speed`.
    - `tolerance`: relative; 1e-5 suits float64, 1e-3 float32.

    **Returns:** name of the test to what it found; empty if there is nothing.

    **Raises:** `ValueError` for another grid, or `rigid` without a speed.

    ```python
    check_initial_condition(equation, breather(x), speed=0.0, energy=16 * 0.75**0.5)
    ```
    """
    grid = equation.space
    require(
        grid.ndim == 1 and grid.boundary[0][0].paired,
        f"equation must live on a line whose sides are glued, got {grid}",
    )
    require(not rigid or speed is not None, "rigid needs the speed that is claimed")
    seen = {
        name: float(value)
        for name, value in _measure(
            equation, u, 0.0 if speed is None else speed
        ).items()
    }
    found = {}
    if seen["gap"] > seen["allowed"]:
        found["seam"] = f"phi jumps by {seen['gap']:.3g} where the sides meet"
    if seen["push"] > tolerance * seen["force"] or seen["bend"] < 0:
        found["vacuum"] = (
            f"the ends, phi = {seen['left']:.4g} and {seen['right']:.4g}, are no "
            f"minimum of the potential: |V'| = {seen['push']:.2g}, "
            f"V'' = {seen['bend']:.3g}"
        )
    moves = seen["momentum"] / seen["energy"]
    if speed is not None and abs(moves - speed) > tolerance:
        found["speed"] = f"it moves at {moves:.4g}, not at {speed:.4g}"
    if energy is not None and abs(seen["energy"] - energy) > tolerance * abs(energy):
        found["energy"] = f"it has the energy {seen['energy']:.6g}, not {energy:.6g}"
    if rigid and seen["residual"] > tolerance * seen["force"]:
        found["residual"] = (
            f"it does not keep its form: the equation is off by "
            f"{seen['residual']:.3g}, its largest force being {seen['force']:.3g}"
        )
    return found


@eqx.filter_jit
def _measure(
    equation: KleinGordon, u: Float[Array, "2 x"], speed: RealScalar
) -> dict[str, Float[Array, ""]]:
    """The numbers that the tests look at, in one program."""
    grid, phi, potential = equation.space, u[:1], equation.potential
    speed = jnp.asarray(speed, u.dtype)
    gap, allowed = seam(grid, phi, 0)
    ends = phi[:, jnp.array([0, -1])]
    tilt = spectral_derivative(grid, phi, 0)
    curve = spectral_derivative(grid, tilt, 0)
    force = potential.slope(phi)
    off = u[1:] + speed * tilt, (1 - speed**2) * curve - force
    named = equation.invariants
    return {
        "gap": gap,
        "allowed": allowed,
        "left": ends[0, 0],
        "right": ends[0, 1],
        "push": jnp.max(jnp.abs(potential.slope(ends))),
        "bend": jnp.min(potential.curvature(ends)),
        "force": jnp.max(jnp.abs(force)),
        "energy": named["energy"](u),
        "momentum": named["momentum"](u),
        "residual": jnp.max(jnp.abs(jnp.stack(off))),
    }
