"""Network blocks that every family shares: decoders, dynamics, normalisers."""

from phix.nn._convolution import Convolution as Convolution
from phix.nn._decoder import (
    AbstractPointDecoder as AbstractPointDecoder,
    SineDecoder as SineDecoder,
)
from phix.nn._dit import DiT as DiT
from phix.nn._dynamics import (
    AbstractConditioned as AbstractConditioned,
    DissipativeDynamics as DissipativeDynamics,
    SwishDynamics as SwishDynamics,
)
from phix.nn._fourier import FourierDecoder as FourierDecoder
from phix.nn._low_precision import LowPrecision as LowPrecision
from phix.nn._normalise import (
    AbstractNormaliser as AbstractNormaliser,
    Fixed as Fixed,
    MinMax as MinMax,
    Standardiser as Standardiser,
    trainable as trainable,
)
from phix.nn._time_mlp import TimeMLP as TimeMLP
from phix.nn._unet import UNet as UNet


__all__ = [
    "AbstractConditioned",
    "AbstractNormaliser",
    "AbstractPointDecoder",
    "Convolution",
    "DiT",
    "DissipativeDynamics",
    "Fixed",
    "FourierDecoder",
    "LowPrecision",
    "MinMax",
    "SineDecoder",
    "Standardiser",
    "SwishDynamics",
    "TimeMLP",
    "UNet",
    "trainable",
]
