"""Reduced-order models: a decoder and latent dynamics, fitted, inverted, forecast."""

from phix.rom._autodecoder import (
    AbstractAutoDecoder as AbstractAutoDecoder,
    fit_ensemble as fit_ensemble,
)
from phix.rom._baselines import (
    ConstantVelocity as ConstantVelocity,
    ShiftDecoder as ShiftDecoder,
    freeze as freeze,
    slide as slide,
)
from phix.rom._cheap import (
    CoarseDecoder as CoarseDecoder,
    SampledDecoder as SampledDecoder,
    TabulatedDecoder as TabulatedDecoder,
    coarsened as coarsened,
    low_rank as low_rank,
    tabulated as tabulated,
)
from phix.rom._crom import CROM as CROM, CROMDynamics as CROMDynamics
from phix.rom._data import (
    Sequence as Sequence,
    Snapshot as Snapshot,
    TrainingData as TrainingData,
    sequences as sequences,
    snapshots as snapshots,
    training_data as training_data,
)
from phix.rom._dino import DINo as DINo
from phix.rom._dmd import (
    DMD as DMD,
    ControlledDynamics as ControlledDynamics,
    DMDDynamics as DMDDynamics,
)
from phix.rom._encoder import (
    SensorEncoder as SensorEncoder,
    fit_encoder as fit_encoder,
)
from phix.rom._forecast import (
    Forecast as Forecast,
    decode_frames as decode_frames,
    forecast as forecast,
)
from phix.rom._galerkin import PODGalerkin as PODGalerkin
from phix.rom._hyper import (
    DEIMDynamics as DEIMDynamics,
    DEIMGalerkin as DEIMGalerkin,
    deim as deim,
    qdeim as qdeim,
)
from phix.rom._interpolation import (
    InterpolatedLatents as InterpolatedLatents,
    PODInterpolation as PODInterpolation,
)
from phix.rom._invert import (
    Inversion as Inversion,
    LatentLaw as LatentLaw,
    acceptance as acceptance,
    invert as invert,
    invert_frames as invert_frames,
    latent_law as latent_law,
)
from phix.rom._longest import longest_step as longest_step
from phix.rom._lspg import LSPG as LSPG, LSPGDynamics as LSPGDynamics
from phix.rom._method import AbstractMethod as AbstractMethod, fit as fit
from phix.rom._model import (
    AbstractFieldDecoder as AbstractFieldDecoder,
    AbstractLatentMap as AbstractLatentMap,
    ReducedModel as ReducedModel,
)
from phix.rom._networks import Networks as Networks
from phix.rom._opinf import OperatorInference as OperatorInference
from phix.rom._phi import (
    phi_loss as phi_loss,
    stratified_subset as stratified_subset,
)
from phix.rom._phi_rom import PhiROM as PhiROM
from phix.rom._pod import LinearDecoder as LinearDecoder, pod_modes as pod_modes
from phix.rom._price import Price as Price, price as price
from phix.rom._quadratic import (
    AffineDynamics as AffineDynamics,
    QuadraticDynamics as QuadraticDynamics,
)
from phix.rom._readout import (
    RandomSines as RandomSines,
    Readout as Readout,
    readout as readout,
)
from phix.rom._report import ErrorReport as ErrorReport, error_report as error_report
from phix.rom._training import Training as Training
from phix.rom._velocity import (
    GalerkinDynamics as GalerkinDynamics,
    decoder_jacobian as decoder_jacobian,
    latent_velocity as latent_velocity,
)


__all__ = [
    "AbstractAutoDecoder",
    "AbstractFieldDecoder",
    "AbstractLatentMap",
    "AbstractMethod",
    "AffineDynamics",
    "CROM",
    "CROMDynamics",
    "CoarseDecoder",
    "ConstantVelocity",
    "ControlledDynamics",
    "DEIMDynamics",
    "DEIMGalerkin",
    "DINo",
    "DMD",
    "DMDDynamics",
    "ErrorReport",
    "Forecast",
    "GalerkinDynamics",
    "InterpolatedLatents",
    "Inversion",
    "LSPG",
    "LSPGDynamics",
    "LatentLaw",
    "LinearDecoder",
    "Networks",
    "OperatorInference",
    "PODGalerkin",
    "PODInterpolation",
    "PhiROM",
    "Price",
    "QuadraticDynamics",
    "RandomSines",
    "Readout",
    "ReducedModel",
    "SampledDecoder",
    "TabulatedDecoder",
    "SensorEncoder",
    "Sequence",
    "ShiftDecoder",
    "Snapshot",
    "Training",
    "TrainingData",
    "acceptance",
    "coarsened",
    "decode_frames",
    "decoder_jacobian",
    "deim",
    "error_report",
    "fit",
    "fit_encoder",
    "fit_ensemble",
    "forecast",
    "freeze",
    "invert",
    "invert_frames",
    "latent_law",
    "latent_velocity",
    "longest_step",
    "low_rank",
    "phi_loss",
    "pod_modes",
    "price",
    "qdeim",
    "readout",
    "sequences",
    "slide",
    "snapshots",
    "stratified_subset",
    "tabulated",
    "training_data",
]
