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
# # Whole fields and forecasts from few sensors
#
# Sixteen noisy sensors see a chaotic field at one time. Which fields agree with them,
# and what comes next? Three steps: *learn* how fields of this equation look, as a
# diffusion prior; *draw* fields that the prior and the readings agree on; *solve* the
# equation from each of them. The spread of what comes out is the forecast's error bar,
# and here the truth is known, so that it can be held to it.

# %%
import os

import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
import optax

from phix import fit, nn, score, solve
from phix.metrics import crps, gaussian_crps, interval_coverage
from phix.pde import KuramotoSivashinsky
from phix.space import Grid, NodeSensors
from phix.train import ArraySource, per_sample


# %matplotlib inline
SMOKE = os.environ.get("PHIX_SMOKE") == "1"  # only to see that the page runs

# %% [markdown]
# ## Fields of the equation
#
# The Kuramoto–Sivashinsky equation on a ring, $u_t = -u u_x - u_{xx} - u_{xxxx}$:
# cells of about nine units that drift, merge and split. Many short runs under `vmap`,
# after their first 100 units of time, are samples of how its fields look. The last few
# runs are kept for the test.

# %%
grid = Grid(64, (0.0, 60.0))
x = np.asarray(grid.axes[0])
equation = KuramotoSivashinsky(grid)
ts = np.array([0.0, *(range(100, 104 if SMOKE else 301, 4))], float)


def trajectory(key):
    """Fields of one run, long after its random start."""
    waves = jr.normal(key, (1, 6))
    u0 = jnp.sum(waves * jnp.cos(2 * jnp.pi * x[:, None] * jnp.arange(1, 7) / 60), 1)
    return solve(equation, u0[None], ts, dt=0.1).us[1:]


us = jax.vmap(trajectory)(jr.split(jr.key(0), 8 if SMOKE else 72))
scale = float(jnp.std(us))
train = us[: -2 if SMOKE else -8].reshape(-1, 1, 64) / scale
test = us[-2 if SMOKE else -8 :, -1] / scale
print(f"{len(train)} fields to learn from, {len(test)} to be tested on")

# %% [markdown]
# ## The prior
#
# A network is shown noisy fields and learns where they came from. It is a U-Net that
# goes round the ring, so that what it learns in one place holds in every other.

# %%
path = score.Linear()
net = nn.UNet(grid, widths=(32, 64), depth=1, patch=1, key=jr.key(1))
steps = 2 if SMOKE else 3000
result = fit(
    score.Predictor(net, path, "velocity"),
    per_sample(score.MatchingLoss()),
    ArraySource(train, 64),
    steps=steps,
    key=jr.key(2),
    optimiser=optax.adam(optax.cosine_decay_schedule(3e-3, steps)),
    ema=0.995,
)
prior = result.ema

# %% [markdown]
# Its samples should look like fields of the equation, and here they can be told by
# nothing but the labels.

# %%
ts_noise = score.times(path, 40, "log_snr", log_snr_range=(-3.5, 4.0))


@jax.jit
def draw_prior(key):
    """A field from noise."""
    start = score.start(path, test[0] * 0, ts_noise[0], key=key)
    return score.sample(prior, start, ts_noise, sampler=score.DPMpp2M()).x


fresh = jax.vmap(draw_prior)(jr.split(jr.key(3), 4))
figure, axes = plt.subplots(2, 4, figsize=(12, 3.5), sharey=True, layout="constrained")
for axis, u in zip(axes[0], train[:: len(train) // 4], strict=False):
    axis.plot(x, u[0], color="0.3")
for axis, u in zip(axes[1], fresh, strict=True):
    axis.plot(x, u[0], color="tab:blue")
axes[0, 0].set_ylabel("training")
axes[1, 0].set_ylabel("samples")
plt.show()

# %% [markdown]
# ## The posterior
#
# A `Measurement` is what is seen and how well. `MMPS` guides every step of the sampler
# by the readings and by what the prior knows of the covariance at that step.

# %%
sensors = NodeSensors(grid, jnp.sort(jr.permutation(jr.key(4), 64)[:16]))
noise, members = 0.1, 19 if SMOKE else 39


@jax.jit
def posterior(readings, key):
    """Fields that agree with the readings."""
    seen = score.Measurement(sensors, readings, noise)
    guided = score.Guided(prior, score.MMPS(seen, iterations=4))

    def one(key):
        first, steps = jr.split(key)
        start = score.start(path, test[0] * 0, ts_noise[0], key=first)
        sampler = score.EulerMaruyama()
        return score.sample(guided, start, ts_noise, sampler=sampler, key=steps).x

    return jax.vmap(one)(jr.split(key, members))


readings = jax.vmap(sensors)(test)
readings = readings + noise * jr.normal(jr.key(5), readings.shape)
keys = jr.split(jr.key(6), len(test))
drawn = jax.vmap(posterior)(readings, keys)

# %% [markdown]
# Beside it the best that means and covariances can do, *optimal interpolation* (the
# Kalman update): fields are taken for Gaussian, with the covariance of the training
# fields, averaged over the ring.

# %%
power = np.mean(np.abs(np.fft.fft(train[:, 0])) ** 2, 0) / 64
ring = np.fft.ifft(power).real
covariance = ring[(np.arange(64)[:, None] - np.arange(64)) % 64]
at = np.asarray(sensors.nodes)
gain = np.linalg.solve(covariance[np.ix_(at, at)] + noise**2 * np.eye(16),
                       covariance[at]).T  # fmt: skip
mean = np.asarray(readings[:, 0]) @ gain.T
std = np.sqrt(np.maximum(np.diag(covariance - gain @ covariance[at]), 1e-12))
hidden = np.setdiff1d(np.arange(64), at)


def against_truth(samples):
    """RMSE of the mean, CRPS, and coverage of 90 % intervals, at nodes not seen."""
    seen = jnp.asarray(samples)[..., hidden]
    truth = test[:, 0, hidden]
    rmse = jnp.sqrt(jnp.mean((seen.mean(0) - truth) ** 2))
    return rmse, jnp.mean(crps(seen, truth)), interval_coverage(seen, truth)


rmse, score_of, covered = against_truth(drawn[:, :, 0].swapaxes(0, 1))
truth = np.asarray(test[:, 0])[:, hidden]
linear = np.sqrt(np.mean((mean[:, hidden] - truth) ** 2))
linear_crps = np.mean(gaussian_crps(mean[:, hidden], std[hidden] + 0 * truth, truth))
print(f"diffusion prior       RMSE {rmse:.3f}, CRPS {score_of:.3f}, 90 % intervals "
      f"cover {100 * covered:.0f} %")  # fmt: skip
print(f"optimal interpolation RMSE {linear:.3f}, CRPS {linear_crps:.3f}")

figure, axes = plt.subplots(2, 2, figsize=(12, 5), sharey=True, layout="constrained")
for axis, i in zip(axes.flat, range(min(4, len(test))), strict=False):
    axis.plot(x, drawn[i, :, 0].T, color="tab:blue", lw=0.4, alpha=0.6)
    axis.plot(x, mean[i], "--", color="tab:orange", label="optimal interpolation")
    axis.plot(x, test[i, 0], color="k", label="truth")
    axis.plot(x[at], readings[i, 0], "o", color="tab:red", label="sensors")
axes[0, 0].legend(ncols=3, fontsize="small")
plt.show()

# %% [markdown]
# ## The forecast
#
# Every member is a field of the equation, so the solver takes it as it is: an ensemble
# forecast is one `vmap`. The members of optimal interpolation are drawn from its
# Gaussian law.

# %%
ahead = np.linspace(0.0, 4.0 if SMOKE else 20.0, 3 if SMOKE else 21)


@jax.jit
@jax.vmap
def forecast(u0):
    """What becomes of a standardised field."""
    return solve(equation, scale * u0, ahead, dt=0.1).us[:, 0] / scale


coming = forecast(test)
ensemble = jax.vmap(forecast)(drawn.swapaxes(0, 1))
root = np.linalg.cholesky(covariance - gain @ covariance[at] + 1e-6 * np.eye(64))
draws = np.random.default_rng(7).normal(size=(members, len(test), 64))
gaussian = jax.vmap(forecast)(jnp.float32(mean + draws @ root.T)[:, :, None])
usual = jnp.std(train)
figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
for name, members_of in (("diffusion prior", ensemble), ("Gaussian", gaussian)):
    error = jnp.sqrt(jnp.mean((members_of.mean(0) - coming) ** 2, axis=(0, 2)))
    spread = jnp.sqrt(jnp.mean(jnp.var(members_of, axis=0, ddof=1), axis=(0, 2)))
    (line,) = axis.plot(ahead, error, label=f"{name}: error of the mean")
    axis.plot(ahead, spread, "--", color=line.get_color(), label="its spread")
    print(f"{name:15s} RMSE now {error[0]:.3f}, at t = {ahead[-1]:g} {error[-1]:.3f}")
axis.axhline(usual, color="0.7", lw=1)
axis.set(xlabel="time ahead", ylabel="standard deviations", ylim=(0, None))
axis.legend(fontsize="small")
plt.show()

# %% [markdown]
# An ensemble whose spread follows its error can be believed. From here: other sensors,
# a mean over cells (`CellMeans`), an operator of your own, or readings of a *later*
# time with the solver inside the operator: `score.Measurement` takes any function. On
# two-dimensional turbulence: `phix run configs/score/flair_small.toml`.
