import jax.numpy as jnp
import jax.random as jr

from phix import space
from tests.rosters.case import Case


GRID = space.Grid((4, 3), ((0.0, 1.0), (0.0, 2.0)), ("dirichlet", "neumann"), "centre")


def _field(dtype, channels=2):
    x, y = GRID.coordinates.astype(dtype)
    return jnp.stack([jnp.sin(3 * x + y), 2 + jnp.cos(2 * x * y)])[:channels]


def _grid(dtype):
    def measures(u, v, x, values):
        read = GRID.evaluate(u, x, values=values)
        projected = GRID.project(lambda p: v[0, 0, 0] * jnp.sin(p), dtype)
        return read, GRID.integrate(u), GRID.inner(u, v), GRID.norm(u), projected

    points = jnp.array([[0.2, 0.3], [0.55, 0.9], [0.9, 1.8]], dtype)
    edge = jnp.array([0.3, -0.2], dtype)
    return measures, (_field(dtype), _field(dtype) + 1, points, (edge[0], edge[1]))


def _stencils(dtype):
    def all_of(u, values):
        return (
            space.pad(GRID, u, 1, 2, values),
            space.derivative(GRID, u, 1, values=values),
            space.gradient(GRID, u, values=values),
            space.divergence(GRID, u, values=values),
            space.laplacian(GRID, u, values=values),
        )

    return all_of, (_field(dtype), jnp.asarray(0.7, dtype))


def _twisted(dtype):
    grid = space.Grid(5, (0.0, 1.0), space.Twisted((2.0, 0.0)))

    def all_of(u, x):
        return space.laplacian(grid, u), grid.evaluate(u, x)

    u = jnp.arange(10.0, dtype=dtype).reshape(2, 5) / 7
    return all_of, (u, jnp.array([[-0.63], [1.38]], dtype))


def _upwind(dtype):
    grid = space.Grid(6, (0.0, 1.0), ("inflow", "outflow"))

    def rate(u):
        difference = space.upwind_difference(
            grid, u, lambda u: u**2 / 2, lambda u: -(u**2)
        )
        return space.hold_inflow(grid, difference)

    return rate, (jnp.array([[0.3, 1.2, -0.4, 0.8, -0.9, 0.5]], dtype),)


def _sensors(dtype):
    def readings(u, points):
        nodes = space.random_sensors(GRID, 3, key=jr.key(0))
        anywhere = space.random_sensors(GRID, 3, key=jr.key(1), on="anywhere")
        return nodes(u), anywhere(u), space.Sensors(GRID, points)(u)

    points = jnp.array([[0.2, 0.3], [0.55, 0.9]], dtype)
    return readings, (_field(dtype), points)


CASES = [
    Case("grid", _grid, ("Grid",)),
    Case(
        "stencils",
        _stencils,
        ("pad", "derivative", "gradient", "divergence", "laplacian"),
    ),
    Case("twisted grid", _twisted, ("Twisted", "laplacian", "Grid")),
    Case("upwind", _upwind, ("upwind_difference", "hold_inflow")),
    Case("sensors", _sensors, ("Sensors", "NodeSensors", "random_sensors")),
]
EXEMPT = {
    "AbstractObservation": "abstract; its final classes are in the roster",
    "AbstractSpace": "abstract; its final classes are in the roster",
    "Boundary": "static description without any arrays",
}
