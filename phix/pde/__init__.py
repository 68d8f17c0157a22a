"""What moves a state: one equation family per file."""

from phix.pde._base import (
    AbstractDiscrete as AbstractDiscrete,
    AbstractEquation as AbstractEquation,
    AbstractMethodOfLines as AbstractMethodOfLines,
)
from phix.pde._burgers import Burgers as Burgers, burgers_shock as burgers_shock
from phix.pde._diffusion import Diffusion as Diffusion
from phix.pde._forcing import (
    curl as curl,
    kolmogorov as kolmogorov,
    taylor_green as taylor_green,
)
from phix.pde._function import (
    FunctionEquation as FunctionEquation,
    FunctionStep as FunctionStep,
    from_rhs as from_rhs,
    from_step as from_step,
)
from phix.pde._hamiltonian import (
    AbstractHamiltonian as AbstractHamiltonian,
    FunctionHamiltonian as FunctionHamiltonian,
    from_hamiltonian as from_hamiltonian,
)
from phix.pde._initial_condition import (
    check_initial_condition as check_initial_condition,
)
from phix.pde._kdv import (
    KortewegDeVries as KortewegDeVries,
    kdv_soliton as kdv_soliton,
)
from phix.pde._kink_fit import (
    KinkFit as KinkFit,
    locate_kink as locate_kink,
    locate_pair as locate_pair,
)
from phix.pde._klein_gordon import KleinGordon as KleinGordon
from phix.pde._kuramoto_sivashinsky import (
    FlameFront as FlameFront,
    KuramotoSivashinsky as KuramotoSivashinsky,
)
from phix.pde._phase_field import (
    AllenCahn as AllenCahn,
    CahnHilliard as CahnHilliard,
    SwiftHohenberg as SwiftHohenberg,
)
from phix.pde._potentials import (
    AbstractPotential as AbstractPotential,
    DoubleSineGordon as DoubleSineGordon,
    FunctionPotential as FunctionPotential,
    Linear as Linear,
    Phi4 as Phi4,
    Phi6 as Phi6,
    SineGordon as SineGordon,
)
from phix.pde._reaction import AbstractReaction as AbstractReaction
from phix.pde._reaction_diffusion import (
    Brusselator as Brusselator,
    FisherKPP as FisherKPP,
    FitzHughNagumo as FitzHughNagumo,
    GrayScott as GrayScott,
    LambdaOmega as LambdaOmega,
)
from phix.pde._schrodinger import (
    NonlinearSchrodinger as NonlinearSchrodinger,
    schrodinger_soliton as schrodinger_soliton,
)
from phix.pde._semilinear import (
    AbstractSemilinear as AbstractSemilinear,
    FunctionSemilinear as FunctionSemilinear,
    from_symbol as from_symbol,
)
from phix.pde._solitons import (
    breather as breather,
    kink as kink,
    kink_antikink as kink_antikink,
    kink_profile as kink_profile,
)
from phix.pde._sponge import sponge as sponge
from phix.pde._transport import (
    Advection as Advection,
    HyperDiffusion as HyperDiffusion,
    SpectralDiffusion as SpectralDiffusion,
)
from phix.pde._velocity import NavierStokes as NavierStokes
from phix.pde._viscous_burgers import (
    ViscousBurgers as ViscousBurgers,
)
from phix.pde._vorticity import Vorticity as Vorticity
from phix.pde._wave_modes import WaveModes as WaveModes


__all__ = [
    "AbstractDiscrete",
    "AbstractEquation",
    "AbstractHamiltonian",
    "AbstractMethodOfLines",
    "AbstractPotential",
    "AbstractReaction",
    "AbstractSemilinear",
    "Advection",
    "AllenCahn",
    "Brusselator",
    "Burgers",
    "CahnHilliard",
    "Diffusion",
    "DoubleSineGordon",
    "FisherKPP",
    "FitzHughNagumo",
    "FlameFront",
    "FunctionEquation",
    "FunctionHamiltonian",
    "FunctionPotential",
    "FunctionSemilinear",
    "FunctionStep",
    "GrayScott",
    "HyperDiffusion",
    "KinkFit",
    "KleinGordon",
    "KortewegDeVries",
    "KuramotoSivashinsky",
    "LambdaOmega",
    "Linear",
    "NavierStokes",
    "NonlinearSchrodinger",
    "Phi4",
    "Phi6",
    "SineGordon",
    "SpectralDiffusion",
    "SwiftHohenberg",
    "ViscousBurgers",
    "Vorticity",
    "WaveModes",
    "breather",
    "burgers_shock",
    "check_initial_condition",
    "curl",
    "from_hamiltonian",
    "from_rhs",
    "from_step",
    "from_symbol",
    "kdv_soliton",
    "kink",
    "kink_antikink",
    "kink_profile",
    "kolmogorov",
    "locate_kink",
    "locate_pair",
    "schrodinger_soliton",
    "sponge",
    "taylor_green",
]
