"""phix: differentiable physics in JAX."""
