"""Network blocks that every family shares: decoders, dynamics, normalisers."""

from phix.nn._decoder import SineDecoder as SineDecoder
from phix.nn._dynamics import AbstractConditioned as AbstractConditioned
from phix.nn._dynamics import SwishDynamics as SwishDynamics
from phix.nn._normalise import AbstractNormaliser as AbstractNormaliser
from phix.nn._normalise import MinMax as MinMax
from phix.nn._normalise import Standardiser as Standardiser
from phix.nn._normalise import trainable as trainable

__all__ = [
    "AbstractConditioned",
    "AbstractNormaliser",
    "MinMax",
    "SineDecoder",
    "Standardiser",
    "SwishDynamics",
    "trainable",
]
