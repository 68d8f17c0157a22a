"""Training: batches, objectives, updates and the one loop that runs them."""

from phix.train._batch import Batch as Batch
from phix.train._fit import (
    FitResult as FitResult,
    Stopped as Stopped,
    fit as fit,
)
from phix.train._objective import PerSample as PerSample, per_sample as per_sample
from phix.train._source import (
    AbstractSource as AbstractSource,
    ArraySource as ArraySource,
)
from phix.train._update import (
    AbstractUpdate as AbstractUpdate,
    gradient_update as gradient_update,
    GradientUpdate as GradientUpdate,
    UpdateState as UpdateState,
)


__all__ = [
    "AbstractSource",
    "AbstractUpdate",
    "ArraySource",
    "Batch",
    "FitResult",
    "GradientUpdate",
    "PerSample",
    "Stopped",
    "UpdateState",
    "fit",
    "gradient_update",
    "per_sample",
]
