import os
import subprocess
import sys


SCRIPT = """
import re
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, PartitionSpec as P
from phix.num import checkpointed_scan, damped_lstsq, least_squares, minimise

times = jnp.linspace(0.0, 1.0, 6)

def decay(x, data):
    return x[0] * jnp.exp(-x[1] * times) - data

def one(data):
    fit = least_squares(decay, jnp.ones(2), args=data)
    bowl = minimise(lambda x, a: jnp.sum((x - a) ** 2), fit.x, args=data[:2])
    J = jnp.outer(data, jnp.ones(2)) + jnp.eye(6, 2)
    step = lambda c, x: (jnp.sin(c) + x, None)
    end = checkpointed_scan(step, bowl.x, data, memory=5)[0]
    return fit.residual_norm + jnp.sum(end + damped_lstsq(J, data))

fn = jax.vmap(jax.value_and_grad(one))
mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
sharded = jax.jit(
    jax.shard_map(fn, mesh=mesh, in_specs=P("batch"), out_specs=P("batch"),
                  check_vma=False)
)
scales = jnp.linspace(1.0, 2.0, 8)[:, None]
data = scales * jnp.exp(-scales * times) + 0.1 * jnp.cos(7 * times)
text = sharded.lower(data).compile().as_text()
assert not re.search("all-reduce|all-gather|all-to-all|collective-permute", text)
for a, b in zip(sharded(data), jax.jit(fn)(data), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
"""


def test_every_loop_runs_in_shard_map_without_collectives():
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "4", "JAX_ENABLE_X64": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment)
    assert done.returncode == 0
