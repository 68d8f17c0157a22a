"""phix beside the package amangkurat 0.0.1: the same start, the same fixed step.

    pip install amangkurat
    python -m bench.waves.beside_amangkurat

Both are given the same arrays on the nodes that the package uses (both ends included,
so that the period is L + Δx; phix gets a grid of that period). The linear case has a
closed form, mode by mode, which says whose error the difference is. Then the package's
own starts are handed to `phix.pde.check_initial_condition`, and its four cases run as
its configs say, adaptive steps on, beside `phix.recipes.amangkurat_published`.
"""

import math

import amangkurat.core as peer
import jax
import jax.numpy as jnp
import numpy as np

from phix.integrate import StormerVerlet, solve
from phix.pde import KleinGordon, Linear, Phi4, SineGordon, check_initial_condition
from phix.recipes import amangkurat_published as published
from phix.space import Grid


MASS, GAMMA = 2 * math.sqrt(2) / 3, 1 / math.sqrt(1 - 0.3**2)


def solver(num_points: int, half_width: float, adaptive: bool) -> peer.KGSolver:
    return peer.KGSolver(
        num_points,
        -half_width,
        half_width,
        verbose=False,
        n_cores=1,
        adaptive_dt=adaptive,
    )


def same_grid(num_points: int, half_width: float) -> Grid:
    """The period that nodes with both ends included really have."""
    spacing = 2 * half_width / (num_points - 1)
    return Grid(num_points, (-half_width, -half_width + num_points * spacing))


def linear_case(dt: float = 0.005) -> None:
    theirs = solver(512, 30.0, adaptive=False)
    phi, rate = peer.GaussianIC()(theirs.x)
    run = theirs.solve(phi, rate, dt, 50.0, "linear", 200, mass=1.0)
    # Their clock adds up steps: frames are at whole numbers of steps.
    ts = dt * np.round(run["t"] / dt)
    equation = KleinGordon(same_grid(512, 30.0), Linear(1.0))
    u0 = jnp.asarray(np.stack([phi, rate]))
    ours = solve(equation, u0, ts, dt=dt, scheme=StormerVerlet())
    ours = np.asarray(ours.us[:, 0])
    omega = np.sqrt(1 + theirs.k**2)
    wave = np.fft.fft(phi) * np.cos(omega * ts[:, None])
    exact = np.fft.ifft(wave, axis=1).real
    print(f"linear case, fixed dt = {dt}, to t = {ts[-1]:.4g}: largest difference")
    for name, a, b in (
        ("phix − amangkurat", ours, run["phi"]),
        ("phix − closed form", ours, exact),
        ("amangkurat − closed form", run["phi"], exact),
    ):
        print(f"  {name:26} {np.abs(a - b).max():.2e}")


def their_starts() -> None:
    cases = (
        ("kink", Phi4(), peer.KinkIC(), 1024, 50.0, (MASS, True)),
        (
            "breather",
            SineGordon(),
            peer.BreatherIC(0.5),
            512,
            40.0,
            (16 * math.sqrt(0.75), False),
        ),
        (
            "collision",
            Phi4(),
            peer.KinkAntikinkIC(),
            1024,
            50.0,
            (2 * GAMMA * MASS, False),
        ),
    )
    print("\nthe package's own starts, checked")
    for name, potential, start, num_points, half_width, (energy, rigid) in cases:
        grid = same_grid(num_points, half_width)
        u = jnp.asarray(np.stack(start(published.grid(num_points, half_width))))
        found = check_initial_condition(
            KleinGordon(grid, potential), u, speed=0.0, energy=energy, rigid=rigid
        )
        for test, message in found.items():
            print(f"  {name:10} {test:9} {message}")


def whole_cases() -> None:
    print("\nfour cases, adaptive steps: largest |φ|, drift (package, phix's variant)")
    cases = (
        ("linear", peer.GaussianIC(), 512, 30.0, 0.005, 50.0, 200, {"mass": 1.0}),
        ("phi4", peer.KinkIC(), 1024, 50.0, 0.005, 50.0, 200, {}),
        ("sine_gordon", peer.BreatherIC(0.5), 512, 40.0, 0.01, 80.0, 300, {}),
        ("phi4", peer.KinkAntikinkIC(), 1024, 50.0, 0.005, 100.0, 400, {}),
    )
    ours = (
        published.linear_case,
        published.kink_case,
        published.breather_case,
        published.collision_case,
    )
    for case, variant in zip(cases, ours, strict=True):
        name, start, num_points, half_width, dt, duration, frames, params = case
        theirs = solver(num_points, half_width, adaptive=True)
        run = theirs.solve(*start(theirs.x), dt, duration, name, frames, **params)
        peer_run = published.Published(run["t"], run["phi"], theirs.x)
        again = variant()
        print(
            f"  {variant.__name__:15} {peer_run.largest:.4f} {again.largest:.4f}   "
            f"{peer_run.drift:9.4f} {again.drift:9.4f}"
        )


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    linear_case()
    their_starts()
    whole_cases()
