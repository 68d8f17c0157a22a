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
# # Φ-ROM on a Burgers shock
#
# A reduced-order model replaces a solver by something small: a *decoder*
# $u(x) = D(x, \alpha)$ from a few latent numbers α to the field, and *latent dynamics*
# $\dot\alpha = \Psi(\alpha, \mu)$. The shock of this example travels through the
# domain, so it soon leaves the span of all the frames seen in training: no linear model
# of any rank can follow it there. Φ-ROM can, because its latent dynamics are taught by
# the solver itself and not by differences of the data.
#
# Everything in this page is non-dimensional. The command
# `phix run configs/phi_rom/burgers_demo.toml` does the same, with all baselines,
# several test parameters and a report.

# %%
import os

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from IPython.display import display

from phix import fit, nn, per_sample, plot, rom, solve
from phix.metrics import relative_l2, shock_position
from phix.pde import Burgers, burgers_shock
from phix.space import Grid
from phix.train import ArraySource


# %matplotlib inline
SMOKE = os.environ.get("PHIX_SMOKE") == "1"  # only to see that the page runs
STEPS = 8 if SMOKE else 3000

# %% [markdown]
# ## The equation
#
# $$u_t + (u^2/2)_x = 0.02\,e^{\mu x}, \qquad x \in [0, 100],$$
#
# with the inflow held on the left, first-order upwind differences and forward Euler.
# The initial profile is a shock near x = 11.6.

# %%
grid = Grid(256, (0.0, 100.0), boundary=("inflow", "outflow"))
equation = Burgers(grid, mu=0.02)
u0 = burgers_shock(grid.points[:, 0])[None]
ts = 0.07 * jnp.arange(200)
HORIZON = 100  # frames that training may see


def simulate(mu, ts):
    """One trajectory; μ is an array leaf of the equation, so this can be vmapped."""
    return solve(equation.replace(mu=mu), u0, ts, dt=0.07, scheme=dfx.Euler())


# %% [markdown]
# ## The data
#
# Eight parameters, every fourth frame of the first half. `solve` lands on the output
# times: between two of them it takes four steps of 0.07.

# %%
mus = jnp.linspace(0.015, 0.03, 8)
data = jax.vmap(simulate, (0, None))(mus, ts[: HORIZON : 50 if SMOKE else 4])
print(data.us.shape, "(trajectories, time, channels, space)")

# %% [markdown]
# ## The model
#
# The normalisers come from the data, travel with the model and are never trained. The
# model also holds a table with one free latent for each snapshot, zero at the start.

# %%
decoder = nn.SineDecoder(
    nn.MinMax.of(grid.points),
    nn.Standardiser.of(data.us, axis=2),
    latent_size=4,
    key=jr.key(0),
)
dynamics = nn.SwishDynamics(4, nn.Standardiser.of(mus[:, None], axis=1), key=jr.key(1))
model = rom.ReducedModel.auto_decoder(decoder, dynamics, data.ts.shape, ("mu",))

# %% [markdown]
# ## The loss
#
# For one snapshot with latent α, two relative errors:
#
# - *reconstruction*: the decoded field against the snapshot;
# - *dynamics*: $\Psi(\alpha, \mu)$ against $J^\dagger f(D(\alpha); \mu)$, where $f$ is
#   the solver's right-hand side and $J = \partial D / \partial \alpha$ at a tenth of
#   the points, drawn afresh. Its gradient goes through the solver, J and the solution.
#
# During the warm-up the second term teaches Ψ alone.

# %%
result = fit(
    model,
    per_sample(rom.phi_loss(equation, ("mu",), warmup=300)),
    ArraySource(rom.snapshots(data, ("mu",)), batch_size=8 if SMOKE else 80),
    steps=STEPS,
    key=jr.key(2),
    optimiser=optax.adamw(optax.cosine_decay_schedule(5e-3, STEPS)),
)
model = result.model

# %% [markdown]
# ## A forecast
#
# For a parameter that training never saw, the model is given the first frame. `invert`
# finds its latent by Levenberg–Marquardt; `forecast` integrates Ψ to twice the horizon.

# %%
mu = 0.0161
truth = simulate(mu, ts)
start = rom.invert(model, grid.points, u0)
print(f"first frame: relative error {float(start.error):.4f}")
forecast = rom.forecast(model, start.latent, ts, grid, cond=jnp.array([mu]))

# %%
display(
    plot.space_time(
        truth.us[:, 0],
        forecast.fields[:, 0],
        x=grid.points[:, 0],
        t=ts,
        horizon=float(ts[HORIZON - 1]),
        title=f"Burgers, μ = {mu}",
    )
)

# %% [markdown]
# ## Is it any good?
#
# Two baselines that need no training at all, and see the truth up to the horizon: keep
# the last frame, or slide it at the speed its shock had. They are reduced models too,
# so the same `forecast` runs them.

# %%
last = slice(HORIZON - 30, HORIZON)
baselines = {
    "last frame, frozen": rom.freeze(grid, truth.us[HORIZON - 1]),
    "last frame, slid": rom.slide(grid, ts[last], truth.us[last]),
}
errors = {"Φ-ROM": relative_l2(forecast.fields, truth.us)}
for name, baseline in baselines.items():
    fields = rom.forecast(baseline, jnp.zeros(1), ts[HORIZON - 1 :], grid).fields
    beyond = relative_l2(fields[1:], truth.us[HORIZON:])
    errors[name] = jnp.concatenate([jnp.full(HORIZON, jnp.nan), beyond])

for name, error in errors.items():
    print(f"{name:20} beyond the horizon: {float(error[HORIZON:].mean()):.4f}")
cells = shock_position(forecast.fields[-1]) - shock_position(truth.us[-1])
print(f"shock of the last frame: {int(cells[0])} cells off")
display(plot.error_over_time(ts, errors, horizon=float(ts[HORIZON - 1])))

# %% [markdown]
# ## The latent space
#
# Four numbers follow the shock; neighbouring parameters have neighbouring curves.

# %%
latents = jnp.stack(
    [
        rom.forecast(model, start.latent, ts, cond=jnp.array([value])).latents
        for value in mus
    ]
)
display(
    plot.latent_trajectories(
        ts, latents, values=mus, horizon=float(ts[HORIZON - 1]), label="μ"
    )
)

# %% [markdown]
# ## What to try
#
# - Your own equation: `phix.from_rhs(rhs, grid, mu=0.02)` in place of `Burgers`.
# - Few sensors: give `rom.phi_loss(..., points=…)` the places where data exist; the
#   dynamics term still sees the whole grid.
# - More devices: `fit(..., mesh=phix.make_mesh())`.
