"""Fields, solves and sweeps on eight host devices; prints what is compared, as JSON."""

import json
import math
import re
import sys
import warnings
from collections import Counter

import jax


jax.config.update("jax_num_cpu_devices", 8)

import equinox as eqx  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import jax.random as jr  # noqa: E402
import numpy as np  # noqa: E402

from phix import num  # noqa: E402
from phix.integrate import solve  # noqa: E402
from phix.parallel import batch_map, make_mesh, place_field, spread  # noqa: E402
from phix.parallel._pencils import Pencils  # noqa: E402
from phix.pde import NavierStokes, Vorticity  # noqa: E402
from phix.space import Grid, random_velocity, random_vorticity  # noqa: E402
from phix.sweeps import product, sweep  # noqa: E402


BOX = (0.0, 2 * math.pi)
TS = np.array([0.0, 0.1, 0.2])
MESH = make_mesh()


class Misplaced(Pencils):
    """Broken: blocks of lines arrive one place too far."""

    def _exchange(self, x, axis, *, split, join):
        return jnp.roll(super()._exchange(x, axis, split=split, join=join), 1, axis)


def gap(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return max(float(np.abs(np.asarray(x) - np.asarray(y)).max()) for x, y in pairs)


def collectives(compiled):
    names = r" (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)"
    return dict(Counter(re.findall(names + r"(?:-start)?\(", compiled.as_text())))


def transforms(shape, keep, transform=None, **cut):
    """How far the transform over devices is from that of one, there and back."""
    local = Grid(shape, BOX)
    spread_out = spread(local, **cut)
    if transform is not None:
        mesh = spread_out.transform.mesh
        spread_out = Grid(shape, BOX, transform=transform(mesh))
    u = jr.normal(jr.key(0), (3, *shape))
    here, there = local.modes(keep), spread_out.modes(keep)
    c = here.to_modes(u)
    lines = there.to_modes(u)
    kept = tuple(slice(n) for n in here.shape)
    padded = jnp.zeros(lines.shape, c.dtype).at[(slice(None), *kept)].set(c)
    back = there.to_nodes(lines)
    share = back.addressable_shards[0].data.size * len(back.addressable_shards)
    assert share == back.size
    return gap(lines, padded), gap(back, here.to_nodes(c))


def flow_in_space():
    """Navier–Stokes in three dimensions: the same equation on both grids."""
    local = Grid((16, 16, 16), BOX)
    grid = spread(local, rows=4, columns=2)
    u0 = random_velocity(local, peak=3.0, key=jr.key(1))

    def us(u, grid):
        return solve(NavierStokes(grid, nu=0.05), u, TS, dt=0.05, throw=False).us

    placed = place_field(u0, grid)
    compiled = jax.jit(us, static_argnums=1).lower(placed, grid).compile()
    alone = jax.jit(us, static_argnums=1).lower(u0, local).compile()
    out = compiled(placed)
    return {
        "flow": gap(out, alone(u0)),
        "flow_share": out.addressable_shards[0].data.size / out.size,
        "flow_memory": compiled.memory_analysis().temp_size_in_bytes
        / alone.memory_analysis().temp_size_in_bytes,
        "flow_collectives": collectives(compiled),
    }


def flows_in_a_plane():
    """A batch of solves: over the mesh, by vmap, and by both kinds of pmap."""
    equation = Vorticity(Grid((16, 16), BOX), nu=1e-2)
    u0 = random_vorticity(equation.space, peak=3.0, key=jr.key(2))

    def one(nu):
        return solve(equation.replace(nu=nu), u0, TS, dt=0.05, throw=False).us

    nus = jnp.linspace(0.01, 0.08, 8)
    wanted = jax.jit(jax.vmap(one))(nus)
    mapped = jax.jit(batch_map(one, MESH))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        by_pmap, by_filter = jax.pmap(one)(nus), eqx.filter_pmap(one)(nus)
    return {
        "solve": gap(mapped(nus), wanted),
        "solve_collectives": collectives(mapped.lower(nus).compile()),
        "pmap": gap(by_pmap, wanted),
        "filter_pmap": gap(by_filter, wanted),
    }


def inversions():
    """Each sample its own least squares: the rate of decay behind two numbers."""
    times = jnp.array([0.5, 2.0])

    def one(data):
        found = num.least_squares(
            lambda x, _: jnp.exp(-x[0] * times) - data, jnp.array([0.3])
        )
        return found.x

    rates = jnp.linspace(0.2, 2.0, 16)
    data = jnp.exp(-rates[:, None] * times)
    mapped = jax.jit(batch_map(one, MESH))
    return {
        "invert": gap(mapped(data), jax.vmap(one)(data)),
        "inverted": gap(mapped(data)[:, 0], rates),
        "invert_collectives": collectives(mapped.lower(data).compile()),
    }


def sweeps(folder):
    """The same points on one device and on eight."""
    points = product({"a": np.linspace(0.1, 2.0, 37)})

    def fn(p, *, key):
        u = jnp.fft.rfft(p["a"] * jr.normal(key, (12,)))
        return {"u": jnp.fft.irfft(jnp.exp(-p["a"]) * u, 12)}

    def run(name, mesh):
        return sweep(
            fn,
            points,
            f"{folder}/{name}",
            key=jr.key(0),
            mesh=mesh,
            chunk=2,
            seconds=0.0,
            progress=False,
        )

    one, eight = run("one", None), run("eight", MESH)
    return {"sweep": gap(eight.u.values, one.u.values), "points": eight.u.shape[0]}


if __name__ == "__main__":
    found = {
        "pencils": transforms((16, 16, 16), 2 / 3, rows=4, columns=2),
        "all_modes": transforms((16, 8, 15), None, rows=2, columns=4),
        "plane": transforms((16, 24), 1.0, rows=8),
        "broken": transforms((16, 16, 16), 2 / 3, Misplaced, rows=4, columns=2),
        **flow_in_space(),
        **flows_in_a_plane(),
        **inversions(),
        **sweeps(sys.argv[1]),
    }
    print(json.dumps(found))
