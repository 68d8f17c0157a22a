"""Reduced-order models: a decoder, latent dynamics, and how they are fitted and used."""

from phix.rom._baselines import (
    ConstantVelocity as ConstantVelocity,
)
from phix.rom._baselines import (
    ShiftDecoder as ShiftDecoder,
)
from phix.rom._baselines import (
    freeze as freeze,
)
from phix.rom._baselines import (
    slide as slide,
)
from phix.rom._forecast import Forecast as Forecast
from phix.rom._forecast import forecast as forecast
from phix.rom._invert import Inversion as Inversion
from phix.rom._invert import invert as invert
from phix.rom._linear import (
    LinearDecoder as LinearDecoder,
)
from phix.rom._linear import (
    pod_galerkin as pod_galerkin,
)
from phix.rom._linear import (
    pod_modes as pod_modes,
)
from phix.rom._model import (
    ReducedModel as ReducedModel,
)
from phix.rom._model import (
    Snapshot as Snapshot,
)
from phix.rom._model import (
    snapshots as snapshots,
)
from phix.rom._phi import phi_loss as phi_loss
from phix.rom._phi import stratified_subset as stratified_subset
from phix.rom._velocity import (
    GalerkinDynamics as GalerkinDynamics,
)
from phix.rom._velocity import (
    latent_velocity as latent_velocity,
)

__all__ = [
    "ConstantVelocity",
    "Forecast",
    "GalerkinDynamics",
    "Inversion",
    "LinearDecoder",
    "ReducedModel",
    "ShiftDecoder",
    "Snapshot",
    "forecast",
    "freeze",
    "invert",
    "latent_velocity",
    "phi_loss",
    "pod_galerkin",
    "pod_modes",
    "slide",
    "snapshots",
    "stratified_subset",
]
