"""Maps over a mesh: eight devices in a process of their own, one device here."""

import functools
import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from phix.parallel import batch_map, batch_size, make_mesh, pad_batch
from phix.pde import from_step
from phix.space import Grid
from tests.processes import output


@pytest.fixture(scope="module")
def found():
    script = Path(__file__).with_name("eight_devices.py")
    return json.loads(output(script).splitlines()[-1])


@pytest.mark.parametrize(
    "case",
    [
        "even",
        "uneven",
        "chunked",
        "explicit",
        "automatic",
        "automatic_chunked",
        "gradient",
        "with_weights_in_parts",
    ],
)
def test_eight_devices_equal_vmap(found, case):
    # Float32; each sample is computed alike, but perhaps fused otherwise.
    assert found["devices"] == 8
    assert found[case] < 1e-5


def check_no_collectives(names):
    assert names == []


def test_no_communication(found):
    check_no_collectives(found["collectives"])
    check_no_collectives(found["collectives_of_solve"])
    # What the compiler makes of the same map when left alone.
    with pytest.raises(AssertionError):
        check_no_collectives(found["collectives_of_jit"])


@pytest.mark.parametrize("mesh", [None, make_mesh(1)])
@pytest.mark.parametrize("partition", ["shard", "auto"])
def test_chunks_change_neither_values_nor_order(mesh, partition):
    def fn(x, name):
        return {"y": jnp.cumsum(x), "name": name}

    x = jnp.arange(21.0).reshape(7, 3)
    out = batch_map(fn, mesh, partition=partition, chunk=2)(x, "kept")
    assert jnp.array_equal(out["y"], jnp.cumsum(x, 1)) and out["name"] == "kept"
    with pytest.raises(ValueError, match="chunk: got 0"):
        batch_map(fn, mesh, chunk=0)


def test_chunks_compile_once():
    traces = []

    def fn(x):
        traces.append(None)
        return 2 * x

    mapped = batch_map(fn, chunk=2)
    first, count = mapped(jnp.arange(5.0)), len(traces)
    assert jnp.array_equal(first, mapped(jnp.arange(5.0))) and len(traces) == count


def test_what_is_no_array_passes_through(found):
    assert found["static"] == "kept"


class Equation(eqx.Module):
    nu: jax.Array
    name: str = eqx.field(static=True)

    def __call__(self, u):
        return {"u": self.nu * u, "name": self.name}


@pytest.mark.parametrize("mesh", [None, make_mesh(1)])
def test_maps_over_equations_and_fields(mesh):
    equation = Equation(jnp.arange(3.0), "burgers")
    fields = jnp.arange(12.0).reshape(3, 4)
    out = batch_map(lambda equation, u: equation(u), mesh)(equation, fields)
    assert jnp.array_equal(out["u"], jnp.arange(3.0)[:, None] * fields)
    assert out["name"] == "burgers"


def test_compiles_once():
    traces = []

    def fn(x):
        traces.append(1)
        return x**2

    mapped = batch_map(fn, make_mesh(1))
    for i in range(3):
        mapped(jnp.full(4, float(i)))
    assert len(traces) == 1


def host_equation():
    grid = Grid(4, (0.0, 1.0))
    return from_step(lambda u, t, args: u, 0.1, grid, host=True)


def test_host_equation_is_refused_by_name():
    equation = host_equation()
    u = jnp.ones((2, 1, 4))

    def by_closure(u):
        return equation.step(u, 0.0, None)

    def by_default(u, equation):
        return equation.step(u, 0.0, None)

    mesh = make_mesh(1)
    for fn in (by_closure, functools.partial(by_default, equation=equation)):
        with pytest.raises(ValueError, match="has host=True"):
            batch_map(fn, mesh)(u)


@pytest.mark.parametrize("parts", [0, 2])
def test_parts_of_weights_divide_the_devices(parts):
    with pytest.raises(ValueError, match=f"weight_parts: got {parts}, which must"):
        make_mesh(1, weight_parts=parts)


def test_rows():
    assert batch_size({"a": jnp.ones((3, 2)), "b": jnp.ones(3)}) == 3
    padded = pad_batch(jnp.arange(3.0), 4)
    assert jnp.array_equal(padded, jnp.array([0.0, 1.0, 2.0, 2.0]))
    assert pad_batch(padded, 4) is padded


def test_bad_input():
    mesh = make_mesh(1)
    with pytest.raises(ValueError, match=r"num_devices: got 9, but there are 1"):
        make_mesh(9)
    with pytest.raises(ValueError, match="partition: got 'atuo'.*'auto'"):
        batch_map(jnp.sin, mesh, partition="atuo")
    with pytest.raises(ValueError, match=r"same leading batch axis.*\(2,\), \(3,\)"):
        batch_map(jnp.add, mesh)(jnp.ones(2), jnp.ones(3))
    other = jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    with pytest.raises(ValueError, match="wanted one named 'batch'"):
        batch_map(jnp.sin, other)
