"""Wall time to equal error: 2-D decaying turbulence, phix and the peers' schemes.

    python -m bench.solvers.equal_error [--leaders] [--nodes 128 256] [--out FILE]

Flow: E(k) ~ k⁴ exp(−2(k/6)²), unit rms velocity, box 2π, T = 2; Re = u L/ν is printed.
Error: relative L2 of the vorticity at T against the same code's own float64 run of its
best scheme at dt = T/3200 (dt/16 or less for all that lead), on its own retained modes
(phix: in a square, and in a disk); the references of all are compared with each other
first. Each scheme takes the largest dt of the ladder T/(25·√2^i) that meets 1e-3 in
float32 or 1e-5 in float64; with `Courant`, chosen anew eight times, the largest number
of the ladder 8/√2^i. phix runs `solve`, its start and transforms counted, peers their
steps alone. Times: 15 rounds of all schemes one after the other, compiled. `--leaders`
leaves out the schemes that come first in no table.
"""

import argparse
import functools
import itertools
import json
import math
import os

import exponax
import jax
import jax.numpy as jnp
import numpy as np

from bench.solvers import peers
from bench.timing import bootstrap, interleaved_times
from phix import integrate, pde, solve


T = 2.0
VISCOSITY = {128: 1.35e-2, 256: 4.5e-3}
TARGET = {"float32": 1e-3, "float64": 1e-5}
REFERENCE = 14
RUNGS = range(14)
# Output times, at which steps are chosen, and the most steps between two of them.
TS, MOST = np.linspace(0.0, T, 9), 400

SQUARE = (
    "ETDRK2", "ETDRK3", "ETDRK4", "ETDAB2", "ETDAB3", "ETDAB4", "EGLM4", "EGLM5",
    "EGLM6", "SBDF3", "Lawson3", "Lawson4", "Lawson5", "LawsonBS5",
)  # fmt: skip
LAWSON = ("Lawson3", "Lawson4", "Lawson5", "LawsonBS5")
DISK = ("ETDRK3", "ETDRK4", *LAWSON, *(f"{name} Courant" for name in LAWSON))
LEADERS = (
    "phix disk ETDRK3", "phix disk Lawson5",
    *(f"phix disk {name} Courant" for name in LAWSON),
    "exponax ETDRK3", "exponax ETDRK4", "jax-cfd CN-RK3", "jax-cfd CN-RK4",
)  # fmt: skip
CFD = {f"CN-RK{order}": f"crank_nicolson_rk{order}" for order in (2, 3, 4)}


def steps_of(rung):
    """A rung of the ladder as the number of steps to T."""
    return round(25 * 2 ** (rung / 2))


def entry(code, scheme, grid, u0, nu, rung):
    """(run, start, to_field) of a code's scheme on a rung of its ladder."""
    dt = T / (steps := steps_of(rung))
    if code.startswith("phix"):
        equation = pde.Vorticity(grid, nu, isotropic=code == "phix disk")
        name, *bound = scheme.split()
        scheme = getattr(integrate, name)()
        if bound:
            dt, ts, most = integrate.Courant(8 / 2 ** (rung / 2)), TS, MOST
        else:
            ts, most = TS[[0, -1]], None

        def run(u):
            found = solve(equation, u, ts, dt=dt, scheme=scheme, max_steps=most,
                          throw=False)  # fmt: skip
            return found.us[-1, 0], found.stats["num_steps"]

        return run, u0, lambda result: result[0]
    if code == "exponax":
        stepper = exponax.stepper.NavierStokesVorticity(
            2, peers.BOX, grid.shape[0], dt, diffusivity=nu, order=int(scheme[-1])
        )
        run, start = peers.exponax_entry(stepper, -u0, steps)
        return run, start, lambda c: -exponax.ifft(c, num_spatial_dims=2)[0]
    run, start = peers.jax_cfd_entry(u0, nu, dt, steps, CFD[scheme])
    return run, start, jnp.fft.irfft2


def schemes():
    """Every scheme of every code."""
    yield from (("phix", name) for name in SQUARE)
    yield from (("phix disk", name) for name in DISK)
    yield from (("exponax", f"ETDRK{order}") for order in (2, 3, 4))
    yield from (("jax-cfd", name) for name in CFD)


def references(grid, u0, nu):
    """The float64 reference of each code; printed: how far they are apart."""
    best = {
        "phix": "ETDRK4",
        "phix disk": "ETDRK4",
        "exponax": "ETDRK4",
        "jax-cfd": "CN-RK4",
    }
    fields = {}
    for code, scheme in best.items():
        run, start, to_field = entry(code, scheme, grid, u0, nu, REFERENCE)
        fields[code] = np.asarray(to_field(jax.jit(run)(start)))
    gaps = {
        f"{a} and {b}": np.linalg.norm(fields[a] - fields[b])
        / np.linalg.norm(fields[b])
        for a, b in itertools.combinations(fields, 2)
    }
    pair = max(gaps, key=gaps.__getitem__)
    print(f"references furthest apart: {pair}, {gaps[pair]:.1e}", flush=True)
    return fields


def error_of(code, scheme, grid, u0, nu, rung, reference):
    """Steps taken, relative L2 error at T, and the compiled run."""
    run, start, to_field = entry(code, scheme, grid, u0, nu, rung)
    program = jax.jit(run).lower(start).compile()
    result = program(start)
    steps = int(result[1]) if code.startswith("phix") else steps_of(rung)
    field = np.asarray(to_field(result), float)
    gap = np.linalg.norm(field - reference) / np.linalg.norm(reference)
    return steps, (float(gap) if np.isfinite(gap) else math.inf), program, start


def search(code, scheme, grid, u0, nu, reference, target):
    """The longest steps of the ladder that meet the target, and all errors seen."""
    curve = []
    for rung in RUNGS:
        made = error_of(code, scheme, grid, u0, nu, rung, reference)
        steps, gap, program, start = made
        curve.append((steps, gap))
        if gap <= target:
            return curve, program, start
    return curve, None, None


def compare(nodes: int, precision: str, leaders: bool) -> dict:
    """All schemes at one size and precision; prints a table."""
    jax.config.update("jax_enable_x64", True)
    nu, target = VISCOSITY[nodes], TARGET[precision]
    grid, u0 = peers.flow(nodes, jnp.float64)
    print(f"\n## {nodes}², {precision}, error {target:g}, nu = {nu:g}, "
          f"Re = {peers.BOX / nu:.0f}, peak k = 6", flush=True)  # fmt: skip
    fields = references(grid, u0, nu)
    if precision == "float32":
        jax.config.update("jax_enable_x64", False)
        u0 = jnp.asarray(np.asarray(u0), jnp.float32)
    found, curves = {}, {}
    for code, scheme in schemes():
        if leaders and f"{code} {scheme}" not in LEADERS:
            continue
        curve, program, start = search(code, scheme, grid, u0, nu, fields[code], target)
        curves[f"{code} {scheme}"] = curve
        if program is not None:
            found[code, scheme] = program, start, curve[-1]
    rows = table(found)
    for line in rows:
        print(line, flush=True)
    return {"nodes": nodes, "precision": precision, "nu": nu, "curves": curves,
            "table": rows}  # fmt: skip


def table(found: dict) -> list[str]:
    """Median seconds of every scheme, and ratios to phix's best, round by round."""
    calls = {key: functools.partial(*value[:2]) for key, value in found.items()}
    times = interleaved_times(calls)
    seconds = {key: float(np.median(column)) for key, column in times.items()}
    ours = min((k for k in found if k[0].startswith("phix")), key=seconds.__getitem__)
    rows = ["| code | scheme | steps | error | s | ratio to phix's best [95 %] |",
            "|---|---|---|---|---|---|"]  # fmt: skip
    for key in sorted(found, key=seconds.__getitem__):
        steps, gap = found[key][2]
        ratio = ""
        if not key[0].startswith("phix"):
            ratios = times[key] / times[ours]
            low, high = bootstrap(ratios)
            ratio = f"{np.median(ratios):.2f} [{low:.2f}, {high:.2f}]"
        rows.append(f"| {key[0]} | {key[1]} | {steps} | {gap:.1e} "
                    f"| {seconds[key]:.3f} | {ratio} |")  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="*", default=[128, 256])
    parser.add_argument("--precision", nargs="*", default=list(TARGET))
    parser.add_argument("--leaders", action="store_true", help="only the fastest")
    parser.add_argument("--out", help="write curves and tables to this JSON file")
    options = parser.parse_args()
    results = [
        compare(nodes, precision, options.leaders)
        for nodes in options.nodes
        for precision in options.precision
    ]
    if options.out:
        with open(options.out + ".part", "w") as file:
            json.dump(results, file, indent=1)
        os.replace(options.out + ".part", options.out)


if __name__ == "__main__":
    main()
