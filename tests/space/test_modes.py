"""Transforms of every layout against dense matrices of the modes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.space import Grid, Modes, Twisted
from tests.truth import modes as truth


P, D, N = "periodic", "dirichlet", "neumann"
BOX = ((-0.5, 1.0), (2.0, 5.0), (0.0, 2 * np.pi))


@dataclasses.dataclass(frozen=True)
class Layout:
    """A grid on a rectangular box, what is kept of its modes, and fields on it."""

    shape: tuple[int, ...]
    boundary: tuple
    keep: float | None = None
    complex: bool = False
    channels: int = 1
    node: str = "vertex"

    def name(self) -> str:
        sides = ["".join(s[0] for s in np.atleast_1d(side)) for side in self.boundary]
        size = "x".join(map(str, self.shape))
        return f"{size}-{'-'.join(sides)}-{self.keep and round(self.keep, 2)}"

    @property
    def modes(self) -> Modes:
        ndim = len(self.shape)
        sides = self.boundary if ndim > 1 else self.boundary[0]
        return Grid(self.shape, BOX[:ndim], sides, self.node).modes(
            self.keep, self.complex
        )

    def field(self, dtype=float):
        rng = np.random.default_rng(0)
        u = rng.normal(size=(self.channels, *self.shape))
        if self.complex:
            u = u + 1j * rng.normal(size=u.shape)
        return u.astype(np.result_type(dtype, np.complex64) if self.complex else dtype)

    @property
    def axes(self) -> list[tuple]:
        """Per axis: the waves and the arguments of the truth."""
        grid = self.modes.grid
        axes = []
        for n, sides, x, (low, high) in zip(
            self.shape, grid.boundary, grid.axes, grid.extent, strict=True
        ):
            kinds = (sides[0].kind, sides[1].kind)
            k = truth.waves(n, self.keep, kinds)
            axes.append((np.asarray(x), low, high - low, k, kinds))
        return axes

    @property
    def half(self) -> int | None:
        """The last periodic axis of a real field."""
        periodic = [a for a, side in enumerate(self.boundary) if side == P]
        return periodic[-1] if periodic and not self.complex else None

    def analysis(self) -> list[np.ndarray]:
        """The rows of the inverse of all modes that belong to kept ones."""
        matrices = []
        for x, low, length, k, kinds in self.axes:
            every = truth.waves(len(x), None, kinds)
            inverse = np.linalg.inv(truth.synthesis(x, low, length, every, kinds))
            matrices.append(inverse[np.isin(every, k)])
        return matrices

    def synthesis(self, orders: dict[int, int] | None = None) -> list[np.ndarray]:
        orders = orders or {}
        return [
            truth.synthesis(*axis, order=orders.get(a, 0))
            for a, axis in enumerate(self.axes)
        ]

    def stored(self, c):
        """Of a real field only the waves 0...K along the half axis."""
        if self.half is None:
            return c
        k = self.axes[self.half][3]
        top, n = -k.min(), self.shape[self.half]
        kept = [np.flatnonzero(k % n == wave)[0] for wave in range(top + 1)]
        return np.take(c, kept, axis=self.half + 1)


LAYOUTS = [
    Layout((7,), (P,)),
    Layout((8,), (P,), channels=2),
    Layout((8,), (P,), keep=1.0, channels=3),
    Layout((9,), (P,), keep=2 / 3, node="centre"),
    Layout((8,), (P,), complex=True, channels=2),
    Layout((6,), (D,), keep=2 / 3, channels=3),
    Layout((7,), ((D, N),), node="centre", complex=True),
    Layout((6, 4), (P, P), channels=3),
    Layout((5, 8), (P, P), keep=1.0, channels=2),
    Layout((9, 6), (P, P), keep=2 / 3, channels=3),
    Layout((4, 7), (P, P), complex=True),
    Layout((6, 5), (P, (D, N)), channels=2, node="centre"),
    Layout((5, 6), (N, P), keep=2 / 3, channels=3),
    Layout((4, 5), (D, N), channels=2),
    Layout((4, 5, 6), (P, P, P), channels=3),
    Layout((5, 6, 7), (P, P, P), keep=2 / 3, channels=3),
    Layout((4, 6, 5), (P, D, P), keep=1.0, channels=2),
    Layout((4, 3, 4), (P, P, N), complex=True, keep=1.0),
]
EVERY_LAYOUT = pytest.mark.parametrize("layout", LAYOUTS, ids=Layout.name)


def derivatives(modes):
    """(axis, order) of the symbols that are defined."""
    return [
        (axis, order)
        for axis, sides in enumerate(modes.grid.boundary)
        for order in ((1, 2, 3) if sides[0].kind == P else (2, 4))
    ]


def compiled(layout):
    """u to its coefficients, back, and the derivatives, in one program."""
    modes = layout.modes

    @jax.jit
    def everything(u):
        c = modes.to_modes(u)
        symbols = [modes.derivative(*which) for which in derivatives(modes)]
        bent = [c[:1] * jnp.asarray(s) for s in [*symbols, modes.laplacian]]
        every = modes.to_nodes(jnp.concatenate([c, *bent]))
        return c, (every[: len(c)], *every[len(c) :, None])

    return everything


def check_layout(layout, everything):
    u = layout.field()
    c, (back, *bent) = everything(jnp.asarray(u))
    exact = truth.apply(layout.analysis(), u)
    assert c.shape[1:] == layout.modes.shape
    np.testing.assert_allclose(c, layout.stored(exact), rtol=0, atol=1e-14)
    filtered = truth.apply(layout.synthesis(), exact)
    np.testing.assert_allclose(back, filtered, rtol=0, atol=1e-13)
    exact = exact[:1]
    if layout.keep is None:
        np.testing.assert_allclose(back, u, rtol=0, atol=1e-13)
    laplacian = 0
    for (axis, order), given in zip(derivatives(layout.modes), bent[:-1], strict=True):
        wanted = truth.apply(layout.synthesis({axis: order}), exact)
        size = np.abs(wanted).max() + 1
        np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-13 * size)
        laplacian = laplacian + (wanted if order == 2 else 0)
    size = np.abs(laplacian).max()
    np.testing.assert_allclose(bent[-1], laplacian, rtol=0, atol=1e-13 * size)


@EVERY_LAYOUT
def test_transforms_and_symbols_equal_dense_ones(layout):
    check_layout(layout, compiled(layout))


def test_check_sees_a_derivative_of_the_wrong_sign():
    def conjugated(u):
        c, fields = compiled(LAYOUTS[0])(u)
        return c, [fields[0], *(-f for f in fields[1:])]

    with pytest.raises(AssertionError):
        check_layout(LAYOUTS[0], conjugated)


def test_check_sees_channels_of_a_pair_swapped():
    def swapped(u):
        return compiled(LAYOUTS[8])(u[::-1])

    with pytest.raises(AssertionError):
        check_layout(LAYOUTS[8], swapped)


@pytest.mark.parametrize(
    "layout", [x for x in LAYOUTS if set(x.boundary) == {P}], ids=Layout.name
)
def test_parseval(layout):
    modes = layout.modes
    c = layout.stored(truth.apply(layout.analysis(), layout.field()))
    u = jnp.asarray(
        truth.apply(layout.synthesis(), truth.apply(layout.analysis(), layout.field()))
    )
    volume = np.prod(modes.grid.lengths)
    total = volume * np.sum(modes.weights * np.abs(c) ** 2)
    np.testing.assert_allclose(modes.grid.inner(u, u).real, total, rtol=1e-13)
    assert modes.shape == modes.weights.shape


def check_batch(modes, batched):
    """Many fields under vmap equal each alone, forwards and in reverse."""
    u = np.random.default_rng(0).normal(size=(3, 2, *modes.grid.shape))

    def there_and_back(u, to_modes):
        out = jnp.sin(modes.to_nodes(to_modes(u) ** 2))
        return jnp.vdot(jnp.arange(float(out.size)), out)

    value = jax.value_and_grad(there_and_back)
    alone = [value(field, modes.to_modes) for field in u]
    together = jax.vmap(lambda field: value(field, batched))(u)
    for one, other in zip(zip(*alone, strict=True), together, strict=True):
        assert jnp.allclose(jnp.stack(one), other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "n, keep", [(16, 2 / 3), (15, None), (16, None), ((6, 8), 2 / 3)]
)
def test_a_batch_of_fields_equals_each_alone(n, keep):
    modes = Grid(n, (0.0, 1.0)).modes(keep)
    check_batch(modes, modes.to_modes)


def test_check_sees_a_batch_transformed_otherwise():
    modes = Grid(16, (0.0, 1.0)).modes(2 / 3)
    with pytest.raises(AssertionError):
        check_batch(modes, lambda u: modes.to_modes(u[::-1]))


def test_single_waves_have_the_coefficients_of_the_formula():
    """Without any matrices: 3 + 2cos(x) + 4sin(2y) and its wavenumbers."""
    grid = Grid((8, 10), (0.0, 2 * np.pi))
    modes = grid.modes(2 / 3)
    u = grid.project(lambda x: 3 + 2 * jnp.cos(x[0]) + 4 * jnp.sin(2 * x[1]))
    wanted = np.zeros((1, *modes.shape), complex)
    kx, ky = np.broadcast_arrays(*modes.wavenumbers)
    wanted[0][(kx == 0) & (ky == 0)] = 3
    wanted[0][(abs(kx) == 1) & (ky == 0)] = 1
    wanted[0][(kx == 0) & (ky == 2)] = -2j
    np.testing.assert_allclose(modes.to_modes(u), wanted, atol=1e-14)


def test_precision_follows_the_field():
    modes = LAYOUTS[9].modes
    u = LAYOUTS[9].field(np.float32)
    c = modes.to_modes(jnp.asarray(u))
    assert c.dtype == jnp.complex64 and modes.to_nodes(c).dtype == jnp.float32
    exact = LAYOUTS[9].stored(truth.apply(LAYOUTS[9].analysis(), u))
    np.testing.assert_allclose(c, exact, rtol=0, atol=3e-7)
    assert modes.zeros(2, jnp.float32).dtype == jnp.complex64
    assert modes.zeros(2).shape == (2, *modes.shape)
    assert modes.zeros(2).dtype == jnp.complex128
    assert LAYOUTS[13].modes.zeros().dtype == jnp.float64


def check_product(modes, degree):
    """The power of a kept field has the coefficients of the exact power."""
    c = modes.to_modes(
        jnp.asarray(np.random.default_rng(0).normal(size=(1, *modes.grid.shape)))
    )
    k, x = np.arange(c.shape[1]), np.arange(64) * 2 * np.pi / 64
    waves = np.exp(1j * k * x[:, None])
    power = (waves @ (modes.weights * c[0])).real ** degree
    given = modes.to_modes(modes.to_nodes(c) ** degree)
    np.testing.assert_allclose(given[0], power @ waves.conj() / 64, atol=1e-13)


@pytest.mark.parametrize(
    "n, keep, degree, exact",
    [
        (9, 2 / 3, 2, True),
        (12, 2 / 3, 2, True),
        (8, 1 / 2, 3, True),
        (9, 1.0, 2, False),
        (12, 2 / 3, 3, False),
    ],
)
def test_which_products_have_no_aliasing(n, keep, degree, exact):
    modes = Grid(n, (0.0, 2 * np.pi)).modes(keep)
    if exact:
        check_product(modes, degree)
    else:
        with pytest.raises(AssertionError):
            check_product(modes, degree)


@pytest.mark.parametrize("sides", [("inflow", "outflow"), Twisted(1.0), ("inflow", N)])
def test_a_grid_without_transform_says_so(sides):
    grid = Grid((6, 5), (0.0, 1.0), ("periodic", sides))
    with pytest.raises(ValueError, match="grid has no transform: axis 1 is .*stencils"):
        grid.modes()


@pytest.mark.parametrize("keep", [0.0, -0.5, 1.5, float("nan")])
def test_a_fraction_out_of_range_is_refused(keep):
    with pytest.raises(ValueError, match=r"keep must be a fraction in \(0, 1\]"):
        Grid(6, (0.0, 1.0)).modes(keep)


@pytest.mark.parametrize("keep, least", [(1.0, 3), (2 / 3, 4), (1 / 2, 5)])
def test_a_grid_too_small_for_its_dealiasing_is_refused(keep, least):
    assert Grid((8, least), (0.0, 1.0)).modes(keep).highest(1) == 1
    with pytest.raises(ValueError, match=f"keeps no wave; take at least {least}"):
        Grid((8, least - 1), (0.0, 1.0)).modes(keep)


def test_coefficients_that_belong_to_no_field_are_refused():
    modes = Grid((5, 6), (0.0, 1.0)).modes()
    c = np.array(
        modes.to_modes(jnp.asarray(np.random.default_rng(0).normal(size=(1, 5, 6))))
    )

    def refused(index, value, message, dtype=complex):
        wrong = c.astype(dtype)
        wrong[index] += value
        with pytest.raises(ValueError, match=message):
            modes.to_nodes(jnp.asarray(wrong))

    refused((0, 3, 1), np.nan, "not finite")
    refused((0, 3, 1), np.inf, "not finite")
    # The mean, the wave 1 of one sign, and the highest wave, each in its plane.
    for index in ((0, 2, 0), (0, 3, 0), (0, 1, 3)):
        refused(index, 0.1j, "c belongs to no real field: in the plane of wave [03]")
        refused(index, 0.1j, "c belongs to no real field", np.complex64)
    # Traced, a value cannot be looked at.
    assert np.isnan(jax.jit(modes.to_nodes)(jnp.asarray(c * np.nan))).all()


def test_rounding_amplified_by_derivatives_is_no_wrong_spectrum():
    modes = Grid((64, 64), (0.0, 2 * np.pi)).modes()
    wave = np.sin(np.arange(64) * 2 * np.pi / 64).astype(np.float32)
    c = modes.to_modes(jnp.asarray(np.broadcast_to(wave[:, None], (1, 64, 64))))
    given = modes.to_nodes(c * jnp.asarray(modes.laplacian**2, jnp.float32))
    np.testing.assert_allclose(given[0, :, 0], wave, rtol=0, atol=0.2)


def test_wrong_shapes_and_kinds_are_refused():
    modes = Grid((5, 6), (0.0, 1.0), (P, N)).modes(2 / 3)
    with pytest.raises(ValueError, match="u of shape .* is not a field on this grid"):
        modes.to_modes(jnp.zeros((1, 6, 5)))
    with pytest.raises(ValueError, match=r"u is complex, .*modes\(complex=True\)"):
        modes.to_modes(jnp.zeros((1, 5, 6), complex))
    with pytest.raises(ValueError, match=r"u is of float16, .*u.astype\(float\)"):
        modes.to_modes(jnp.zeros((1, 5, 6), jnp.float16))
    with pytest.raises(ValueError, match=r"wanted \(channels, 2, 4\)"):
        modes.to_nodes(jnp.zeros((1, 5, 6), complex))
    with pytest.raises(ValueError, match="order 1 along axis 1, which is not periodic"):
        modes.derivative(1)


def test_modes_are_values():
    grid = Grid((6, 5), (0.0, 1.0))
    same = Grid((6, 5), (0.0, 1.0)).modes(2 / 3)
    assert grid.modes(2 / 3) == same and hash(grid.modes(2 / 3)) == hash(same)
    assert grid.modes() != same and jax.tree.leaves(same) == []
