import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.space import Grid, NodeSensors, Sensors, random_sensors


GRID = Grid((6, 5), ((0.0, 3.0), (-1.0, 1.0)), ("periodic", "neumann"))


def test_node_sensors_read_exactly(getkey):
    u = jax.random.normal(getkey(), (2, *GRID.shape))
    sensors = random_sensors(GRID, 9, key=getkey())
    assert isinstance(sensors, NodeSensors) and sensors.points.shape == (9, 2)
    np.testing.assert_array_equal(
        sensors(u), u.reshape(2, -1)[:, np.asarray(sensors.nodes)]
    )
    np.testing.assert_allclose(Sensors(GRID, sensors.points)(u), sensors(u), rtol=1e-9)


def test_replacement(getkey):
    everything = random_sensors(GRID, 30, key=getkey())
    assert len(np.unique(everything.nodes)) == 30
    many = random_sensors(GRID, 300, key=getkey(), replace=True)
    counts = np.bincount(many.nodes, minlength=30)
    # Chi-square with 29 degrees of freedom: 5 standard deviations above its mean.
    assert ((counts - 10) ** 2 / 10).sum() < 29 + 5 * np.sqrt(58)
    with pytest.raises(ValueError, match="num_sensors=31 exceeds the 30 nodes"):
        random_sensors(GRID, 31, key=getkey())


def test_sensors_anywhere(getkey):
    sensors = random_sensors(GRID, 400, key=getkey(), on="anywhere")
    points = np.asarray(sensors.points)
    low, high = np.array(GRID.extent).T
    assert np.all((points >= low) & (points <= high))
    error = 5 * (high - low) / np.sqrt(12 * 400)
    assert np.all(np.abs(points.mean(0) - (low + high) / 2) < error)
    readings = sensors(GRID.project(lambda x: 2 * x[1]))
    middle = np.abs(points[:, 1]) < 0.5
    np.testing.assert_allclose(readings[0, middle], 2 * points[middle, 1], atol=1e-13)


def test_same_key_same_sensors(getkey):
    key = getkey()
    first, second = (random_sensors(GRID, 5, key=key) for _ in range(2))
    np.testing.assert_array_equal(first.nodes, second.nodes)


def test_readings_can_be_differentiated_by_place():
    u = GRID.project(lambda x: 3 * x[1])

    def reading(points):
        return Sensors(GRID, points)(u).sum()

    slope = jax.jit(jax.grad(reading))(jnp.array([[0.3, 0.2]]))
    np.testing.assert_allclose(slope, [[0.0, 3.0]], atol=1e-12)


def test_boundary_values_reach_the_sensors():
    grid = Grid(4, (0.0, 1.0), "dirichlet")
    sensors = Sensors(grid, jnp.array([[0.1]]), values=(1.0, 0.0))
    assert sensors(grid.zeros())[0, 0] == 0.5


def test_bad_sensors(getkey):
    with pytest.raises(ValueError, match=r"shape \(sensors, 2\)"):
        Sensors(GRID, jnp.zeros((3, 1)))
    with pytest.raises(ValueError, match="lie outside"):
        Sensors(GRID, jnp.array([[0.0, 5.0]]))
    with pytest.raises(ValueError, match=r"in 0..29, got 0..30"):
        NodeSensors(GRID, jnp.array([0, 30]))
    with pytest.raises(ValueError, match="whole numbers"):
        NodeSensors(GRID, jnp.array([0.5]))
    with pytest.raises(ValueError, match="did you mean 'nodes'"):
        random_sensors(GRID, 3, key=getkey(), on="node")
    with pytest.raises(ValueError, match="replace has a meaning"):
        random_sensors(GRID, 3, key=getkey(), on="anywhere", replace=True)
    with pytest.raises(ValueError, match="must be positive"):
        random_sensors(GRID, 0, key=getkey())
