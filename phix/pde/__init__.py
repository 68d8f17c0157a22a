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
from phix.pde._kdv import (
    KortewegDeVries as KortewegDeVries,
    kdv_soliton as kdv_soliton,
)
from phix.pde._kuramoto_sivashinsky import (
    FlameFront as FlameFront,
    KuramotoSivashinsky as KuramotoSivashinsky,
)
from phix.pde._phase_field import (
    AllenCahn as AllenCahn,
    CahnHilliard as CahnHilliard,
    SwiftHohenberg as SwiftHohenberg,
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


__all__ = [
    "AbstractDiscrete",
    "AbstractEquation",
    "AbstractMethodOfLines",
    "AbstractReaction",
    "AbstractSemilinear",
    "Advection",
    "AllenCahn",
    "Brusselator",
    "Burgers",
    "CahnHilliard",
    "Diffusion",
    "FisherKPP",
    "FitzHughNagumo",
    "FlameFront",
    "FunctionEquation",
    "FunctionSemilinear",
    "FunctionStep",
    "GrayScott",
    "HyperDiffusion",
    "KortewegDeVries",
    "KuramotoSivashinsky",
    "LambdaOmega",
    "NavierStokes",
    "NonlinearSchrodinger",
    "SpectralDiffusion",
    "SwiftHohenberg",
    "ViscousBurgers",
    "Vorticity",
    "burgers_shock",
    "curl",
    "from_rhs",
    "from_step",
    "from_symbol",
    "kdv_soliton",
    "kolmogorov",
    "schrodinger_soliton",
    "taylor_green",
]
