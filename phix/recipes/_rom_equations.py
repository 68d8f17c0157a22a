"""The equations of the Φ-ROM recipe, and which trajectories of them are seen."""

import dataclasses
import math
from typing import ClassVar

from phix.recipes._checks import require_positive


@dataclasses.dataclass(frozen=True)
class BurgersShock:
    """Inviscid Burgers with an exponential source and a travelling shock.

    - `num_points`, `extent`: vertices on the interval, both ends included.
    - `amplitude`: of the source amplitude·exp(μx).
    - `dt`: step of the solver and spacing of the frames.
    """

    kind: ClassVar[str] = "burgers"
    parameter: ClassVar[str | None] = "mu"
    is_explicit: ClassVar[bool] = True
    num_points: int = 256
    extent: tuple[float, float] = (0.0, 100.0)
    amplitude: float = 0.02
    dt: float = 0.07

    def __post_init__(self):
        require_positive(self, "num_points", "dt")

    @property
    def interval(self) -> float:
        """Time between frames."""
        return self.dt

    def grid(self):
        """Where the fields live."""
        from phix.space import Grid

        return Grid(self.num_points, self.extent, boundary=("inflow", "outflow"))

    def build(self, grid):
        """The equation on a grid of the box, at a middling μ."""
        from phix.pde import Burgers

        return Burgers(grid, mu=0.02, amplitude=self.amplitude)

    def scheme(self):
        """The time scheme."""
        import diffrax as dfx

        return dfx.Euler()

    def starts(self, grid, count: int, key):
        """The initial field, as often as asked: trajectories differ in μ."""
        import jax.numpy as jnp

        from phix.pde import burgers_shock

        del key
        return jnp.stack([grid.project(burgers_shock)] * count)


@dataclasses.dataclass(frozen=True)
class HotSpots:
    """Diffusion of one hot spot on a plate whose edges are cold.

    Spots amplitude·exp(−|x − c|²/2σ²) of random height, width and place. The nodes of
    the edge, at zero, are no unknowns here; the authors' data hold them as a ring.

    - `num_points`, `extent`: inner nodes and ends of each axis.
    - `diffusivity`: length²/time.
    - `heights`, `widths`: amplitude and σ are uniform in between.
    - `centre`: centres are whole numbers in [−centre, centre).
    - `dt`: step of the solver (forward Euler) and spacing of the frames.
    """

    kind: ClassVar[str] = "diffusion"
    parameter: ClassVar[str | None] = None
    is_explicit: ClassVar[bool] = True
    num_points: int = 40
    extent: tuple[float, float] = (-20.5, 20.5)
    diffusivity: float = 2.0
    heights: tuple[float, float] = (0.5, 2.0)
    widths: tuple[float, float] = (3.0, 10.0)
    centre: int = 12
    dt: float = 0.1

    def __post_init__(self):
        require_positive(self, "num_points", "diffusivity", "centre", "dt")

    @property
    def interval(self) -> float:
        """Time between frames."""
        return self.dt

    def grid(self):
        """Where the fields live."""
        from phix.space import Grid

        return Grid((self.num_points,) * 2, self.extent, boundary="dirichlet")

    def build(self, grid):
        """The equation on a grid of the box."""
        from phix.pde import Diffusion

        return Diffusion(grid, self.diffusivity)

    def scheme(self):
        """The time scheme."""
        import diffrax as dfx

        return dfx.Euler()

    def starts(self, grid, count: int, key):
        """Random spots, "count 1 x y"."""
        import jax
        import jax.numpy as jnp
        import jax.random as jr

        def spot(key):
            height, width, place = jr.split(key, 3)
            c = jr.randint(place, (2,), -self.centre, self.centre)
            size = jr.uniform(height, minval=self.heights[0], maxval=self.heights[1])
            sigma = jr.uniform(width, minval=self.widths[0], maxval=self.widths[1])
            away = jnp.sum((grid.points - c) ** 2, axis=1)
            field = size * jnp.exp(-away / (2 * sigma**2))
            return field.reshape(1, *grid.shape)

        return jax.vmap(spot)(jr.split(key, count))


@dataclasses.dataclass(frozen=True)
class TwoDimensionalKdV:
    """Korteweg–de Vries waves in a periodic square, from a few random ones.

    Fields are sums of all waves up to `cutoff` along each axis with normal amplitudes
    and random phases, their largest value 1. The teacher of Φ-ROM is the exact
    right-hand side of the modes; the authors take a first-order exponential step. Their
    data are by ETDRK2 at the same step, which is off by a tenth on such fields and
    leaves some of them altogether; ETDRK4 is off by less than a hundredth.

    - `num_points`, `length`: nodes and length of each axis.
    - `convection`, `hyperdiffusion`: see `phix.pde.KortewegDeVries`.
    - `cutoff`: the highest wave number of the initial fields.
    - `dt`: step of the solver (ETDRK4) and spacing of the frames.
    """

    kind: ClassVar[str] = "kdv"
    parameter: ClassVar[str | None] = None
    is_explicit: ClassVar[bool] = False
    num_points: int = 64
    length: float = 15.0
    convection: float = -6.0
    hyperdiffusion: float = 0.03
    cutoff: int = 2
    dt: float = 0.04

    def __post_init__(self):
        require_positive(self, "num_points", "length", "cutoff", "dt")

    @property
    def interval(self) -> float:
        """Time between frames."""
        return self.dt

    def grid(self):
        """Where the fields live."""
        from phix.space import Grid

        return Grid((self.num_points,) * 2, (0.0, self.length))

    def build(self, grid):
        """The equation on a grid of the box."""
        from phix.pde import KortewegDeVries

        return KortewegDeVries(
            grid, convection=self.convection, hyperdiffusion=self.hyperdiffusion
        )

    def scheme(self):
        """The time scheme."""
        from phix.integrate import ETDRK4

        return ETDRK4()

    def starts(self, grid, count: int, key):
        """Random waves, "count 1 x y"."""
        import jax
        import jax.numpy as jnp
        import jax.random as jr

        numbers = jnp.arange(-self.cutoff, self.cutoff + 1)
        waves = jnp.stack(jnp.meshgrid(numbers, numbers)).reshape(2, -1)
        turns = 2 * math.pi / self.length * (grid.points @ waves)

        def field(key):
            size, turn = jr.split(key)
            phase = jr.uniform(turn, waves.shape[1:], maxval=2 * math.pi)
            u = jnp.cos(turns + phase) @ jr.normal(size, waves.shape[1:])
            return (u / jnp.max(jnp.abs(u))).reshape(1, *grid.shape)

        return jax.vmap(field)(jr.split(key, count))


@dataclasses.dataclass(frozen=True)
class DecayingTurbulence:
    """Navier–Stokes flow in a periodic square, decaying from random eddies.

    The state is the velocity. It is our own spectral solver, by ETDRK4; the authors'
    data are of JAX-CFD's staggered finite volumes, by Euler steps and projections, and
    their initial spectrum is log-normal about the same peak and falls more slowly.

    - `num_points`, `length`: nodes and length of each axis.
    - `viscosity`: length²/time.
    - `peak`: wavenumber of most energy at the start, 1/length.
    - `fastest`: the largest component of velocity at the start.
    - `dt`: step of the solver.
    - `every`: steps in a frame.
    """

    kind: ClassVar[str] = "turbulence"
    parameter: ClassVar[str | None] = None
    is_explicit: ClassVar[bool] = False
    num_points: int = 64
    length: float = math.pi
    viscosity: float = 1e-2
    peak: float = 3.0
    fastest: float = 1.0
    dt: float = 0.5 * math.pi / 64
    every: int = 5

    def __post_init__(self):
        require_positive(self, "num_points", "length", "peak", "fastest", "dt", "every")

    @property
    def interval(self) -> float:
        """Time between frames."""
        return self.dt * self.every

    def grid(self):
        """Where the fields live."""
        from phix.space import Grid

        return Grid((self.num_points,) * 2, (0.0, self.length))

    def build(self, grid):
        """The equation on a grid of the box."""
        from phix.pde import NavierStokes

        return NavierStokes(grid, self.viscosity)

    def scheme(self):
        """The time scheme."""
        from phix.integrate import ETDRK4

        return ETDRK4()

    def starts(self, grid, count: int, key):
        """Random eddies, "count 2 x y"."""
        import jax
        import jax.numpy as jnp
        import jax.random as jr

        from phix.space import random_velocity

        def flow(key):
            u = random_velocity(grid, peak=self.peak, key=key)
            return self.fastest * u / jnp.max(jnp.abs(u))

        return jax.vmap(flow)(jr.split(key, count))


Equation = BurgersShock | HotSpots | TwoDimensionalKdV | DecayingTurbulence


@dataclasses.dataclass(frozen=True)
class Split:
    """Which parameters and frames are seen, and which are kept for the test.

    - `parameters`: lowest and highest training parameter.
    - `num_training`: training parameters, evenly spaced; the test has their mid-points
      (interpolated) and one spacing beyond each end (extrapolated).
    - `num_frames`: frames of a trajectory, `horizon` of which are training frames.
    - `every`: only every so many-th training frame becomes a snapshot.
    """

    kind: ClassVar[str] = "parameters"
    parameters: tuple[float, float] = (0.015, 0.03)
    num_training: int = 8
    num_frames: int = 200
    horizon: int = 100
    every: int = 1

    def __post_init__(self):
        _check_frames(self)
        if self.num_training < 2:
            raise ValueError(
                f"num_training must be at least 2, got {self.num_training}"
            )
        if not self.parameters[0] < self.parameters[1]:
            raise ValueError(f"parameters must increase, got {self.parameters}")


@dataclasses.dataclass(frozen=True)
class Starts:
    """Which initial fields and frames are seen, and which are kept.

    - `num_training`, `num_validation`, `num_test`: trajectories, of initial fields
      drawn apart. Settings are compared on the validation set; the test set is for the
      report.
    - `num_frames`: frames of a validation or test trajectory, `horizon` of which are
      training frames.
    - `every`: only every so many-th training frame becomes a snapshot.
    - `seed`: of the initial fields.
    """

    kind: ClassVar[str] = "initial_fields"
    num_training: int = 32
    num_validation: int = 4
    num_test: int = 8
    num_frames: int = 80
    horizon: int = 40
    every: int = 1
    seed: int = 0

    def __post_init__(self):
        _check_frames(self)
        require_positive(self, "num_training", "num_validation", "num_test")


def _check_frames(split) -> None:
    require_positive(split, "num_frames", "horizon", "every")
    if not split.horizon < split.num_frames:
        raise ValueError(
            f"horizon = {split.horizon} must be less than num_frames = "
            f"{split.num_frames}, so that something is left to forecast"
        )
