"""One definition of each measure of errors and of spread, with named axes."""

from phix.metrics._density import kernel_density as kernel_density
from phix.metrics._distance import energy_distance as energy_distance
from phix.metrics._ensemble import (
    crps as crps,
    gaussian_crps as gaussian_crps,
    interval_coverage as interval_coverage,
)
from phix.metrics._entropy import (
    renyi_entropy as renyi_entropy,
    shannon_entropy as shannon_entropy,
    tsallis_entropy as tsallis_entropy,
)
from phix.metrics._errors import relative_l2 as relative_l2, rnmse as rnmse
from phix.metrics._shock import shock_position as shock_position


__all__ = [
    "crps",
    "energy_distance",
    "gaussian_crps",
    "interval_coverage",
    "kernel_density",
    "relative_l2",
    "renyi_entropy",
    "rnmse",
    "shannon_entropy",
    "shock_position",
    "tsallis_entropy",
]
