"""phix by ETDAB2, float32 inside."""

from backend import (
    InputSchema as InputSchema,
    OutputSchema as OutputSchema,
    endpoints,
)

from phix.integrate import ETDAB2


apply, vector_jacobian_product, abstract_eval = endpoints(ETDAB2(), "float32")
