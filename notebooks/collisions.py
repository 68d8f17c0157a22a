# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Collisions of kinks
#
# The φ⁴ equation
#
# $$\varphi_{tt} = \varphi_{xx} + \varphi - \varphi^3$$
#
# has two vacua, φ = ±1, and kinks between them. Let a kink and an antikink run into
# each other: fast ones bounce and escape, slow ones are captured. In between lies a
# surprise: windows of speeds where the pair is captured, meets once more, and *then*
# escapes. The kink has an inner vibration; the first bounce lends energy to it, and the
# second gets it back if it comes at the right phase (Campbell, Schonfeld and Wingate,
# Physica D 9 (1983) 1). Between the windows of two bounces lie windows of three, and so
# on.
#
# This page finds the windows, and then takes the derivative of what comes out with
# respect to what goes in.

# %%
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from phix import solve
from phix.integrate import BlanesMoan4, StormerVerlet
from phix.pde import KleinGordon, Phi4, kink, kink_antikink, locate_pair
from phix.space import Grid


# %matplotlib inline
jax.config.update("jax_enable_x64", True)
SMOKE = os.environ.get("PHIX_SMOKE") == "1"  # only to see that the page runs

# %% [markdown]
# ## A field that fits its box
#
# A lone kink leaves the box at another vacuum than it entered. On a periodic grid it
# would jump at the seam, and the jump would radiate into everything. phix refuses it,
# and says which sides fit: on an *antiperiodic* grid, φ(x + L) = −φ(x), a kink stands
# still for as long as you wait.

# %%
ring = Grid(128, (-16.0, 16.0))
try:
    solve(KleinGordon(ring, Phi4()), kink(Phi4(), ring.axes[0]), [0.0, 1.0], dt=0.1)
except ValueError as error:
    print(error)

twisted = Grid(128, (-16.0, 16.0), "antiperiodic")
at_rest = kink(Phi4(), twisted.axes[0])
run = solve(KleinGordon(twisted, Phi4()), at_rest, [0.0, 50.0], dt=0.1)
print("moved by", float(jnp.abs(run.us[-1] - at_rest).max()))

# %% [markdown]
# ## One collision
#
# A pair is periodic. `kink_antikink` subtracts the vacuum between the two, so that the
# far field is one; the pair carries the energy 2γM.

# %%
grid = Grid(256 if SMOKE else 512, (-100.0, 100.0))
equation = KleinGordon(grid, Phi4())
ts = np.linspace(0.0, 12.0 if SMOKE else 120.0, 7 if SMOKE else 241)


def collide(speed):
    """The trajectory of a pair that starts 20 apart."""
    u0 = kink_antikink(Phi4(), grid.axes[0], speed=speed, separation=20.0)
    return solve(equation, u0, ts, dt=0.3, scheme=BlanesMoan4(), throw=False)


speeds = jnp.array([0.3, 0.25, 0.2385, 0.1985])
runs = jax.vmap(collide)(speeds)
figure, axes = plt.subplots(1, 4, figsize=(12, 3.5), sharey=True, layout="constrained")
for axis, speed, us in zip(axes, speeds, runs.us, strict=True):
    axis.pcolormesh(grid.axes[0], ts, us[:, 0], cmap="RdBu_r", vmin=-1.5, vmax=1.5)
    axis.set(title=f"speed {speed:.4g}", xlabel="x", xlim=(-40, 40))
axes[0].set_ylabel("t")
plt.show()

# %% [markdown]
# Escape at once, capture, and two windows of two bounces.
#
# ## The scheme
#
# `BlanesMoan4` is symplectic: its energy error does not grow. Störmer–Verlet is too, at
# order 2. The same collision by both:

# %%
energy = jax.vmap(equation.invariants["energy"])
for scheme, dt in ((StormerVerlet(), 0.1), (BlanesMoan4(), 0.3)):
    u0 = kink_antikink(Phi4(), grid.axes[0], speed=0.3, separation=20.0)
    e = energy(solve(equation, u0, ts, dt=dt, scheme=scheme).us)
    drift = float(jnp.abs(e / e[0] - 1).max())
    print(f"{type(scheme).__name__:14s} dt = {dt}: largest energy error {drift:.1e}")

# %% [markdown]
# ## The map
#
# The whole run is one function of the speed, so the sweep is a `vmap`. The centre of
# the field tells the bounces: it dips below zero at each. (The full map, with its
# refinement, is `python -m bench.waves.collisions`.)


# %%
def outcome(speed):
    """Bounces, and half the distance at the end."""
    us = collide(speed).us
    inside = us[:, 0, grid.shape[0] // 2] > 0
    bounces = jnp.sum(inside[:-1] & ~inside[1:])
    half = 0.5 * grid.spacing[0] * jnp.sum(us[-1, 0] > 0)
    return bounces, half


sweep = np.linspace(0.19, 0.27, 4 if SMOKE else 256)
bounces, half = jax.lax.map(outcome, jnp.asarray(sweep), batch_size=32)
figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
escaped = np.asarray(half) > 4.0
for count, colour in ((1, "tab:blue"), (2, "tab:orange"), (3, "tab:green")):
    hit = escaped & (np.asarray(bounces) == count)
    axis.plot(sweep[hit], half[hit], ".", color=colour, label=f"{count} bounces")
axis.plot(sweep[~escaped], half[~escaped], ".", color="0.8", label="captured")
axis.set(xlabel="speed in", ylabel="half the distance at the end")
axis.legend(ncols=4)
plt.show()

# %% [markdown]
# ## The derivative of the outgoing speed
#
# `locate_pair` fits the pair's position and speed, and is differentiable through the
# fit. So is `solve`. What does a little more speed bring?


# %%
def outgoing(speed):
    """The speed at which the pair comes apart."""
    return -locate_pair(Phi4(), grid, collide(speed).us[-1], speed=-0.1).speed


value, slope = jax.value_and_grad(outgoing)(0.3)
step = 1e-4
difference = (outgoing(0.3 + step) - outgoing(0.3 - step)) / (2 * step)
print(f"in at 0.3, out at {value:.4f}; d out / d in = {slope:.4f}, by differences "
      f"{difference:.4f}")  # fmt: skip

# %% [markdown]
# A pair that comes in at 0.3 loses part of its energy to the inner vibration and to
# radiation, and the closer to the critical speed 0.26, the steeper the outgoing speed
# rises with the incoming one.
