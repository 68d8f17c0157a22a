"""Training: batches, objectives, updates and the one loop that runs them."""

from phix.train._batch import Batch as Batch
from phix.train._checkpoints import Checkpoints as Checkpoints
from phix.train._compose import (
    AlternatingUpdate as AlternatingUpdate,
    EnsembleUpdate as EnsembleUpdate,
    alternating_update as alternating_update,
    ensemble_update as ensemble_update,
)
from phix.train._fit import fit as fit, lower_updates as lower_updates
from phix.train._host_source import HostSource as HostSource
from phix.train._objective import PerSample as PerSample, per_sample as per_sample
from phix.train._profiling import profiling as profiling
from phix.train._rows import RowsUpdate as RowsUpdate, table_rows as table_rows
from phix.train._run import FitResult as FitResult, Stopped as Stopped
from phix.train._source import (
    AbstractEpochs as AbstractEpochs,
    AbstractSource as AbstractSource,
    ArraySource as ArraySource,
)
from phix.train._update import (
    AbstractUpdate as AbstractUpdate,
    GradientUpdate as GradientUpdate,
    UpdateState as UpdateState,
    gradient_update as gradient_update,
)


__all__ = [
    "AbstractEpochs",
    "AbstractSource",
    "AbstractUpdate",
    "AlternatingUpdate",
    "ArraySource",
    "Batch",
    "Checkpoints",
    "EnsembleUpdate",
    "FitResult",
    "GradientUpdate",
    "HostSource",
    "PerSample",
    "RowsUpdate",
    "Stopped",
    "UpdateState",
    "alternating_update",
    "ensemble_update",
    "fit",
    "gradient_update",
    "lower_updates",
    "per_sample",
    "profiling",
    "table_rows",
]
