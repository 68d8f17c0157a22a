"""Every equation of `phix.pde` that plain numbers describe, as a choice in a config.

A class has the name of its equation, and the fields have the names and the defaults of
its parameters; what they mean is said there. Imports no JAX.
"""

import dataclasses
import math
from typing import ClassVar


class _Named:
    """A choice that builds what has its name."""

    def build(self, *grid):
        """What has this name in `phix.pde`, an equation on a grid."""
        from phix import pde

        fields = dataclasses.fields(self)  # pyright: ignore
        values = {field.name: getattr(self, field.name) for field in fields}
        values = {
            name: value.build() if isinstance(value, _Named) else value
            for name, value in values.items()
        }
        return getattr(pde, type(self).__name__)(*grid, **values)


@dataclasses.dataclass(frozen=True)
class Advection(_Named):
    """Advection with a constant velocity, and diffusion."""

    kind: ClassVar[str] = "advection"
    velocity: tuple[float, ...]
    nu: float = 0.0


@dataclasses.dataclass(frozen=True)
class Diffusion(_Named):
    """Diffusion by stencils; `values` on all Dirichlet and Neumann sides."""

    kind: ClassVar[str] = "diffusion"
    nu: float
    values: float = 0.0


@dataclasses.dataclass(frozen=True)
class SpectralDiffusion(_Named):
    """Diffusion by transforms."""

    kind: ClassVar[str] = "spectral_diffusion"
    nu: float
    dealias: float = 2 / 3


@dataclasses.dataclass(frozen=True)
class HyperDiffusion(_Named):
    """Hyper-diffusion of a given order."""

    kind: ClassVar[str] = "hyper_diffusion"
    nu: float
    order: int = 2


@dataclasses.dataclass(frozen=True)
class Burgers(_Named):
    """Burgers' equation with a source and an inflow."""

    kind: ClassVar[str] = "burgers"
    mu: float
    amplitude: float = 0.02
    viscosity: float | None = None


@dataclasses.dataclass(frozen=True)
class ViscousBurgers(_Named):
    """Burgers' equation by transforms."""

    kind: ClassVar[str] = "viscous_burgers"
    nu: float
    dealias: float = 2 / 3


@dataclasses.dataclass(frozen=True)
class KortewegDeVries(_Named):
    """The Korteweg–de Vries equation."""

    kind: ClassVar[str] = "korteweg_de_vries"
    convection: float = 6.0
    dispersion: float = 1.0
    hyperdiffusion: float = 0.0
    dealias: float = 2 / 3


@dataclasses.dataclass(frozen=True)
class KuramotoSivashinsky(_Named):
    """The Kuramoto–Sivashinsky equation, conservative."""

    kind: ClassVar[str] = "kuramoto_sivashinsky"
    nu: float = 1.0
    dealias: float = 2 / 3


@dataclasses.dataclass(frozen=True)
class FlameFront(_Named):
    """The Kuramoto–Sivashinsky equation of a front's height."""

    kind: ClassVar[str] = "flame_front"
    nu: float = 1.0
    dealias: float = 2 / 3


@dataclasses.dataclass(frozen=True)
class AllenCahn(_Named):
    """The Allen–Cahn equation."""

    kind: ClassVar[str] = "allen_cahn"
    epsilon: float
    dealias: float = 1.0


@dataclasses.dataclass(frozen=True)
class CahnHilliard(_Named):
    """The Cahn–Hilliard equation."""

    kind: ClassVar[str] = "cahn_hilliard"
    epsilon: float
    dealias: float = 1.0


@dataclasses.dataclass(frozen=True)
class SwiftHohenberg(_Named):
    """The Swift–Hohenberg equation."""

    kind: ClassVar[str] = "swift_hohenberg"
    r: float
    g: float = 0.0
    dealias: float = 1.0


@dataclasses.dataclass(frozen=True)
class FisherKPP(_Named):
    """The Fisher–KPP equation."""

    kind: ClassVar[str] = "fisher_kpp"
    diffusivity: float
    rate: float = 1.0
    dealias: float = 1.0


@dataclasses.dataclass(frozen=True)
class GrayScott(_Named):
    """The Gray–Scott model."""

    kind: ClassVar[str] = "gray_scott"
    feed: float
    kill: float
    diffusivities: tuple[float, float] = (2e-5, 1e-5)
    dealias: float = 1.0


@dataclasses.dataclass(frozen=True)
class Brusselator(_Named):
    """The Brusselator."""

    kind: ClassVar[str] = "brusselator"
    a: float
    b: float
    diffusivities: tuple[float, float]
    dealias: float = 1.0


@dataclasses.dataclass(frozen=True)
class LambdaOmega(_Named):
    """The λ–ω system."""

    kind: ClassVar[str] = "lambda_omega"
    diffusivity: float
    beta: float = 1.0
    dealias: float = 1.0


@dataclasses.dataclass(frozen=True)
class FitzHughNagumo(_Named):
    """The FitzHugh–Nagumo equations."""

    kind: ClassVar[str] = "fitzhugh_nagumo"
    diffusivities: tuple[float, float]
    stimulus: float = 0.0
    recovery: float = 1.0
    decay: float = 1.0
    dealias: float = 1.0


@dataclasses.dataclass(frozen=True)
class NonlinearSchrodinger(_Named):
    """The cubic nonlinear Schrödinger equation."""

    kind: ClassVar[str] = "nonlinear_schrodinger"
    kappa: float = 1.0
    dispersion: float = 1.0
    dealias: float = 1 / 2


@dataclasses.dataclass(frozen=True)
class Vorticity(_Named):
    """Two-dimensional Navier–Stokes flow by its vorticity."""

    kind: ClassVar[str] = "vorticity"
    nu: float
    drag: float = 0.0
    dealias: float = 2 / 3
    isotropic: bool = False


@dataclasses.dataclass(frozen=True)
class NavierStokes(_Named):
    """Navier–Stokes flow by its velocity."""

    kind: ClassVar[str] = "navier_stokes"
    nu: float
    drag: float = 0.0
    dealias: float = 2 / 3
    isotropic: bool = False


@dataclasses.dataclass(frozen=True)
class Linear(_Named):
    """The potential of a free field."""

    kind: ClassVar[str] = "linear"
    m: float = 1.0


@dataclasses.dataclass(frozen=True)
class Phi4(_Named):
    """The potential with two vacua."""

    kind: ClassVar[str] = "phi4"
    coupling: float = 1.0
    vacuum: float = 1.0


@dataclasses.dataclass(frozen=True)
class SineGordon(_Named):
    """The periodic potential."""

    kind: ClassVar[str] = "sine_gordon"


@dataclasses.dataclass(frozen=True)
class DoubleSineGordon(_Named):
    """The periodic potential with a second harmonic."""

    kind: ClassVar[str] = "double_sine_gordon"
    eta: float = 0.25


@dataclasses.dataclass(frozen=True)
class Phi6(_Named):
    """The potential with three vacua."""

    kind: ClassVar[str] = "phi6"
    coupling: float = 1.0
    vacuum: float = 1.0


@dataclasses.dataclass(frozen=True)
class KleinGordon(_Named):
    """A scalar field with a potential; channels are the field and its rate."""

    kind: ClassVar[str] = "klein_gordon"
    potential: Linear | Phi4 | SineGordon | DoubleSineGordon | Phi6
    speed: float = 1.0
    damping: float | None = None
    dealias: float | None = None


Equation = (
    Advection
    | Diffusion
    | SpectralDiffusion
    | HyperDiffusion
    | Burgers
    | ViscousBurgers
    | KortewegDeVries
    | KuramotoSivashinsky
    | FlameFront
    | AllenCahn
    | CahnHilliard
    | SwiftHohenberg
    | FisherKPP
    | GrayScott
    | Brusselator
    | LambdaOmega
    | FitzHughNagumo
    | NonlinearSchrodinger
    | Vorticity
    | NavierStokes
    | KleinGordon
)


@dataclasses.dataclass(frozen=True)
class Box:
    """The arguments of `phix.space.Grid`.

    - `extent`: one pair for all axes, or one for each.
    - `boundary`: one name for all sides, or for each axis one name or a pair.
    - `twist`: what a field, but not its rate, gains along a `"twisted"` axis.
    """

    shape: tuple[int, ...]
    extent: tuple[float, float] | tuple[tuple[float, float], ...] = (0.0, 2 * math.pi)
    boundary: str | tuple[str | tuple[str, str], ...] = "periodic"
    twist: float = 2 * math.pi
    node: str = "vertex"

    def build(self):
        """The grid."""
        from phix.space import Grid, Twisted

        def side(name):
            return Twisted((self.twist, 0.0)) if name == "twisted" else name

        sides = self.boundary
        sides = side(sides) if isinstance(sides, str) else tuple(map(side, sides))
        return Grid(self.shape, self.extent, sides, self.node)
