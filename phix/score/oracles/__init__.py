"""Laws of which everything is known, to test samplers and posterior methods with."""

from phix.score.oracles._bridge import Bridge as Bridge
from phix.score.oracles._mixture import (
    Exact as Exact,
    Mixture as Mixture,
    gaussian as gaussian,
)
from phix.score.oracles._transport import (
    GaussianMap as GaussianMap,
    entropic_plan as entropic_plan,
    flow_map as flow_map,
    optimal_map as optimal_map,
    wasserstein2 as wasserstein2,
)


__all__ = [
    "Bridge",
    "Exact",
    "GaussianMap",
    "Mixture",
    "entropic_plan",
    "flow_map",
    "gaussian",
    "optimal_map",
    "wasserstein2",
]
