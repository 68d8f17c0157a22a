"""The sweeps that are measured: Burgers runs, and decaying turbulence."""

import diffrax as dfx
import jax.random as jr
import numpy as np

from phix.integrate import solve
from phix.pde import Burgers, Vorticity, burgers_shock
from phix.space import Grid, random_vorticity


FRAMES = 10


def burgers():
    """A Burgers run of 1,000 steps on 256 points; ten frames after the start."""
    sides = ("inflow", "outflow")
    equation = Burgers(Grid(256, (0.0, 100.0), boundary=sides), 0.02)
    u0 = equation.space.project(burgers_shock)
    ts = np.linspace(0.0, 35.0, FRAMES + 1)

    def fn(p):
        changed = equation.replace(mu=p["mu"], amplitude=p["amplitude"])
        run = solve(changed, u0, ts, dt=0.035, scheme=dfx.Euler(), throw=False)
        return {"u": run.us[1:], "result": run.result}

    return fn, {"mu": (0.015, 0.03), "amplitude": (0.01, 0.04)}


def flow(n=64, steps=100):
    """Decaying turbulence on n² points by ETDRK4; the last frame."""
    equation = Vorticity(Grid((n, n), (0.0, 2 * np.pi)), nu=1e-3)
    u0 = random_vorticity(equation.space, peak=6.0, key=jr.key(0))
    ts = np.array([0.0, 0.01 * steps])

    def fn(p):
        run = solve(equation.replace(nu=p["nu"]), u0, ts, dt=0.01, throw=False)
        return {"u": run.us[-1], "result": run.result}

    return fn, {"nu": (1e-3, 1e-2)}


def turbulence():
    """As `flow`, ten times as long."""
    return flow(steps=1000)


PROBLEMS = {"burgers": burgers, "flow": flow, "turbulence": turbulence}
