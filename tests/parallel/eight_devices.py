"""Maps over eight host devices; prints what the test compares, as JSON."""

import json
import re
from functools import partial

import jax


jax.config.update("jax_num_cpu_devices", 8)

import diffrax as dfx  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import jax.random as jr  # noqa: E402
import lineax as lx  # noqa: E402
from jax.sharding import NamedSharding, PartitionSpec  # noqa: E402

from phix.parallel import batch_map, make_mesh  # noqa: E402


MESH = make_mesh()
U = jr.normal(jr.key(0), (16, 12))
MANY = jr.normal(jr.key(1), (48, 12))


def steps(u, nu=0.1):
    """Diffusion of a periodic field: ten exact steps through Fourier space."""
    decay = jnp.exp(-nu * jnp.fft.rfftfreq(u.size, 1 / u.size) ** 2)

    def step(u, _):
        return jnp.fft.irfft(decay * jnp.fft.rfft(u), u.size).astype(u.dtype), None

    return jax.lax.scan(step, u, length=10)[0]


def explicit(rate):
    """An ODE with its own number of adaptive steps for each rate."""
    saved = dfx.diffeqsolve(
        dfx.ODETerm(lambda t, y, args: -rate * y**3),
        dfx.Heun(),
        0.0,
        1.0,
        0.01,
        jnp.ones(2),
        stepsize_controller=dfx.PIDController(rtol=1e-4, atol=1e-6),
    )
    return saved.ys, saved.stats["num_steps"], "kept"


def linear(rate):
    """A Lineax solve, which fails under shard_map."""
    matrix = jnp.eye(3) + rate * jnp.ones((3, 3))
    operator = lx.MatrixLinearOperator(matrix)
    return lx.linear_solve(operator, jnp.arange(3.0)).value


def gap(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return max(float(jnp.abs(x - y).max()) for x, y in pairs if not isinstance(x, str))


def collectives(compiled):
    text = compiled.as_text()
    names = r" (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)"
    return sorted(set(re.findall(names + r"(?:-start)?\(", text)))


def total(nu, u, mapping):
    """A shared, closed-over parameter and a batch: gradients with respect to both."""
    return jnp.sum(mapping(lambda u: steps(u, nu))(u) ** 2)


def over_mesh(fn):
    return batch_map(fn, MESH)


if __name__ == "__main__":
    rates = jnp.linspace(1.0, 30.0, 16)
    spread = jax.device_put(U, NamedSharding(MESH, PartitionSpec("batch")))
    on_mesh = jax.jit(over_mesh(steps)).lower(spread).compile()
    left_alone = jax.jit(jax.vmap(steps)).lower(spread).compile()
    solves = jax.jit(lambda r: over_mesh(explicit)(r)[:2]).lower(rates).compile()
    by_vmap = jax.jit(jax.grad(partial(total, mapping=jax.vmap), (0, 1)))(0.1, U)
    by_mesh = jax.jit(jax.grad(partial(total, mapping=over_mesh), (0, 1)))(0.1, U)
    found = {
        "devices": len(jax.devices()),
        "even": gap(on_mesh(spread), jax.vmap(steps)(U)),
        "uneven": gap(over_mesh(steps)(U[:11]), jax.vmap(steps)(U[:11])),
        "chunked": gap(
            batch_map(steps, MESH, chunk=2)(MANY[:43]), jax.vmap(steps)(MANY[:43])
        ),
        "automatic_chunked": gap(
            batch_map(linear, MESH, partition="auto", chunk=2)(MANY[:43, 0]),
            jax.vmap(linear)(MANY[:43, 0]),
        ),
        "explicit": gap(solves(rates), jax.vmap(lambda r: explicit(r)[:2])(rates)),
        "automatic": gap(
            batch_map(linear, MESH, partition="auto")(rates), jax.vmap(linear)(rates)
        ),
        "gradient": gap(by_mesh, by_vmap) / gap(by_vmap[0], 0.0),
        "with_weights_in_parts": gap(
            batch_map(steps, make_mesh(weight_parts=4))(U[:11]), jax.vmap(steps)(U[:11])
        ),
        "static": over_mesh(lambda x: (x, "kept"))(rates)[1],
        "collectives": collectives(on_mesh),
        "collectives_of_jit": collectives(left_alone),
        "collectives_of_solve": collectives(solves),
    }
    print(json.dumps(found))
