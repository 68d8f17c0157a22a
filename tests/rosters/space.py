import jax.numpy as jnp
import jax.random as jr
import numpy as np

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
        masked = space.masked_sensors(GRID, np.arange(12).reshape(4, 3) % 5 == 1)
        anywhere = space.random_sensors(GRID, 3, key=jr.key(1), on="anywhere")
        cells = space.CellMeans(GRID, 1)
        at = space.Sensors(GRID, points)
        return nodes(u), masked(u), anywhere(u), at(u), cells(u)

    points = jnp.array([[0.2, 0.3], [0.55, 0.9]], dtype)
    return readings, (_field(dtype), points)


def _modes(dtype):
    """Mixed and periodic axes, odd and even numbers of nodes, a channel and a pair."""
    box = ((0.0, 1.0), (-1.0, 1.0))
    grid = space.Grid((4, 5), box, ("periodic", ("neumann", "dirichlet")))
    modes, finer = grid.modes(), space.Grid((5, 7), box, grid.boundary).modes(0.9)
    plane = space.Grid((5, 6), box).modes(2 / 3)

    def all_of(u, v, x):
        c = modes.to_modes(u)
        values = space.spectral_evaluate(modes, c, x)
        bent = jnp.asarray(modes.laplacian, dtype) * c
        finest = finer.to_nodes(space.spectral_resample(modes, c, finer))
        product = plane.to_nodes(plane.to_modes(v)) ** 2
        return values, modes.to_nodes(bent), finest, plane.to_modes(product)

    u = jnp.cos(jnp.arange(20.0, dtype=dtype)).reshape(1, 4, 5)
    v = jnp.sin(jnp.arange(60.0, dtype=dtype)).reshape(2, 5, 6)
    x = jnp.array([[0.2, 0.3], [0.55, -0.9]], dtype)
    return all_of, (u, v, x)


def _random_fields(dtype):
    modes = space.Grid((4, 5), (0.0, 1.0)).modes()
    waves = modes.laplacian != 0

    def all_of(logs, u):
        here, there = (
            space.GaussianRandomField(modes, jnp.exp(log) * waves) for log in logs
        )
        return here.sample(key=jr.key(0)), here.log_prob(u), here.kl(there)

    u = jnp.sin(jnp.arange(40.0, dtype=dtype)).reshape(2, 4, 5)
    square = -modes.laplacian
    logs = np.stack([np.log(1 / (1 + square)), -square / 100])[:, None]
    return all_of, (jnp.asarray(logs + [[[0]], [[1]]], dtype), u)


def _random_flows(dtype):
    plane, box = space.Grid((5, 6), (0.0, 6.0)), space.Grid((4, 3, 5), (0.0, 6.0))

    def all_of(peak, speed):
        choices = {"peak": peak, "rms_velocity": speed, "key": jr.key(0)}
        return (
            space.random_vorticity(plane, **choices),
            space.random_velocity(box, **choices),
        )

    return all_of, (jnp.asarray(1.5, dtype), jnp.asarray(0.7, dtype))


def _spectral_derivative(dtype):
    grids = [space.Grid((4, 6), (0.0, 1.0), (side, "periodic"))
             for side in ("antiperiodic", space.Twisted(0.5))]  # fmt: skip

    def all_of(u):
        half = grids[0].modes()
        return (
            [space.spectral_derivative(grid, u, axis)
             for grid in grids for axis in range(2)],
            half.to_nodes(half.to_modes(u)),
            u - grids[1].ramp(u.dtype),
        )  # fmt: skip

    return all_of, (jnp.cos(jnp.arange(24.0, dtype=dtype)).reshape(1, 4, 6),)


def _shells(dtype):
    plane = space.Grid((4, 3), (0.0, 1.0))

    def power(u):
        return space.shell_spectrum(plane, u)[1]

    return power, (jnp.cos(jnp.arange(12, dtype=dtype)).reshape(1, 4, 3),)


CASES = [
    Case("shells", _shells, ("shell_spectrum",)),
    Case("glued sides", _spectral_derivative, ("spectral_derivative", "Modes")),
    Case("grid", _grid, ("Grid",)),
    Case(
        "stencils",
        _stencils,
        ("pad", "derivative", "gradient", "divergence", "laplacian"),
    ),
    Case("twisted grid", _twisted, ("Twisted", "laplacian", "Grid")),
    Case("upwind", _upwind, ("upwind_difference", "hold_inflow")),
    Case("modes", _modes, ("Modes", "spectral_evaluate", "spectral_resample")),
    Case("random fields", _random_fields, ("GaussianRandomField",)),
    Case("random flows", _random_flows, ("random_velocity", "random_vorticity")),
    Case(
        "sensors",
        _sensors,
        (
            "Sensors",
            "NodeSensors",
            "CellMeans",
            "random_sensors",
            "masked_sensors",
        ),
    ),
]
EXEMPT = {
    "AbstractObservation": "abstract; its final classes are in the roster",
    "AbstractTransform": "abstract; Pencils is its final class",
    "AbstractSpace": "abstract; its final classes are in the roster",
    "Boundary": "static description without any arrays",
}
