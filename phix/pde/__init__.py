"""What moves a state: one equation family per file."""

from phix.pde._base import (
    AbstractDiscrete as AbstractDiscrete,
    AbstractEquation as AbstractEquation,
    AbstractMethodOfLines as AbstractMethodOfLines,
)
from phix.pde._burgers import Burgers as Burgers, burgers_shock as burgers_shock
from phix.pde._diffusion import Diffusion as Diffusion
from phix.pde._forcing import curl as curl
from phix.pde._function import (
    FunctionEquation as FunctionEquation,
    FunctionStep as FunctionStep,
    from_rhs as from_rhs,
    from_step as from_step,
)
from phix.pde._semilinear import (
    AbstractSemilinear as AbstractSemilinear,
    FunctionSemilinear as FunctionSemilinear,
    from_symbol as from_symbol,
)
from phix.pde._velocity import NavierStokes as NavierStokes
from phix.pde._vorticity import Vorticity as Vorticity


__all__ = [
    "AbstractDiscrete",
    "AbstractEquation",
    "AbstractMethodOfLines",
    "AbstractSemilinear",
    "Burgers",
    "Diffusion",
    "FunctionEquation",
    "FunctionSemilinear",
    "FunctionStep",
    "NavierStokes",
    "Vorticity",
    "burgers_shock",
    "curl",
    "from_rhs",
    "from_step",
    "from_symbol",
]
