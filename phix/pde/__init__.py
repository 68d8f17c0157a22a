"""What moves a state: one equation family per file."""

from phix.pde._base import (
    AbstractDiscrete as AbstractDiscrete,
    AbstractEquation as AbstractEquation,
    AbstractMethodOfLines as AbstractMethodOfLines,
)
from phix.pde._burgers import Burgers as Burgers, burgers_shock as burgers_shock
from phix.pde._diffusion import Diffusion as Diffusion
from phix.pde._function import (
    FunctionEquation as FunctionEquation,
    FunctionStep as FunctionStep,
    from_rhs as from_rhs,
    from_step as from_step,
)


__all__ = [
    "AbstractDiscrete",
    "AbstractEquation",
    "AbstractMethodOfLines",
    "Burgers",
    "Diffusion",
    "FunctionEquation",
    "FunctionStep",
    "burgers_shock",
    "from_rhs",
    "from_step",
]
