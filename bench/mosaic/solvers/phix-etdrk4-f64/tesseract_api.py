"""phix by ETDRK4, float64 inside."""

from backend import (
    InputSchema as InputSchema,
    OutputSchema as OutputSchema,
    endpoints,
)

from phix.integrate import ETDRK4


apply, vector_jacobian_product, abstract_eval = endpoints(ETDRK4(), "float64")
