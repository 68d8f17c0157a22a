"""The methods of the Φ-ROM recipe, all for the one call `rom.fit`."""

from collections.abc import Callable

import jax.random as jr

from phix import rom
from phix.pde import AbstractEquation
from phix.recipes._rom_choices import Choices, FourierNetwork, Training
from phix.train import Checkpoints


# Snapshots times unknowns beyond which POD modes are found by random combinations.
_LARGE = 2**24


def method_of(
    recipe: Choices,
    equation: AbstractEquation,
    data: rom.TrainingData,
    **options,
) -> rom.AbstractMethod:
    """The recipe's method; `options` are those of `rom.Training` that say where a run
    is saved and logged."""
    return _METHODS[recipe.method](recipe, equation, data, options)


def linear_baselines(
    recipe: Choices, equation: AbstractEquation, data: rom.TrainingData
) -> dict[str, rom.AbstractMethod]:
    """What needs no networks and applies to any equation, by name."""
    pod, rank = pod_of(data), recipe.decoder.latent_size
    made: dict[str, rom.AbstractMethod] = {
        f"POD-Galerkin, rank {r}": rom.PODGalerkin(equation, r, pod=pod)
        for r in recipe.pod_ranks
    }
    made[f"operator inference, rank {rank}"] = rom.OperatorInference(rank, pod=pod)
    if not data.parameters:
        made[f"DMD, rank {rank}"] = rom.DMD(rank, pod=pod)
    return made


def pod_of(data: rom.TrainingData) -> str:
    """The method of `pod_modes` that is not too slow."""
    return "exact" if data.us.size <= _LARGE else "randomised"


def networks_of(recipe: Choices) -> rom.Networks:
    """The sizes of the recipe's networks."""
    decoder, dynamics = recipe.decoder, recipe.dynamics
    kind = "fourier" if isinstance(decoder, FourierNetwork) else "sine"
    return rom.Networks(
        decoder.latent_size,
        kind,
        decoder.width,
        decoder.depth,
        dynamics.width,
        dynamics.depth,
    )


def fit(
    recipe: Choices,
    equation: AbstractEquation,
    data: rom.TrainingData,
    **options,
) -> rom.ReducedModel:
    """The recipe's model of the data."""
    method = method_of(recipe, equation, data, **options)
    return rom.fit(method, data, key=jr.key(recipe.seed))


def restore(
    recipe: Choices,
    equation: AbstractEquation,
    data: rom.TrainingData,
    saved: Checkpoints,
) -> rom.ReducedModel:
    """The model of the latest checkpoint; a linear one is made anew."""
    method = method_of(recipe, equation, data)
    if not isinstance(method, rom.AbstractAutoDecoder):
        return fit(recipe, equation, data)
    if saved.latest_step is None:
        raise ValueError(
            f"{saved.directory} holds no checkpoint yet; let `phix run` fit it first."
        )
    blank = method.networks.build(data, key=jr.key(recipe.seed))
    return method.finish(saved.restore_model(blank), data)


def _phi(teacher: str) -> Callable:
    def make(recipe, equation, data, options) -> rom.PhiROM:
        del data
        loss, training = recipe.loss, recipe.training
        return rom.PhiROM(
            equation=equation,
            networks=networks_of(recipe),
            training=_training(training, training.steps, training.batch_size, options),
            teacher=teacher,
            reconstruction_weight=loss.reconstruction_weight,
            # Half a step more, lest rounding take one away.
            warmup=min((loss.warmup + 0.5) / training.steps, 1.0),
            fraction=loss.fraction,
            damping=loss.damping,
            ahead=loss.ahead,
        )

    return make


def _decodes(recipe) -> int:
    """How often Φ-ROM decodes a batch: a second time where it is taught ahead."""
    return recipe.training.steps * (2 if recipe.loss.ahead > 0 else 1)


def _dino(recipe, equation, data, options) -> rom.DINo:
    """A step decodes whole trajectories twice."""
    del equation
    training, frames = recipe.training, data.us.shape[1]
    batch = max(1, training.batch_size // frames)
    points = _decodes(recipe) * training.batch_size
    steps = max(1, points // (2 * batch * frames))
    return rom.DINo(networks_of(recipe), _training(training, steps, batch, options))


def _crom(recipe, equation, data, options) -> rom.CROM:
    """A step decodes a batch twice."""
    del data
    training = recipe.training
    steps = max(1, _decodes(recipe) // 2)
    choices = _training(training, steps, training.batch_size, options)
    return rom.CROM(
        equation=equation,
        networks=networks_of(recipe),
        training=choices,
        dt=recipe.equation.dt,
    )


def _training(training: Training, steps: int, batch: int, options) -> rom.Training:
    return rom.Training(
        steps,
        batch,
        training.learning_rate.build(steps),
        training.weight_decay,
        training.clip,
        training.chunk or None,
        rule=training.rule,
        latent_rate=training.latent_rate,
        **options,
    )


def _linear(make: Callable) -> Callable:
    """A method of so many modes; it has nothing to save or log."""

    def made(recipe, equation, data, options) -> rom.AbstractMethod:
        del options
        return make(recipe, equation, recipe.decoder.latent_size, pod_of(data))

    return made


_METHODS: dict[str, Callable] = {
    "phi_rom": _phi("solver"),
    "pinn_rom": _phi("pointwise"),
    "dino": _dino,
    "crom": _crom,
    "pod_galerkin": _linear(lambda c, e, r, pod: rom.PODGalerkin(e, r, pod=pod)),
    "lspg": _linear(
        lambda c, e, r, pod: rom.LSPG(equation=e, rank=r, dt=c.equation.dt, pod=pod)
    ),
    "deim": _linear(
        lambda c, e, r, pod: rom.DEIMGalerkin(
            equation=e, rank=r, nonlinear_rank=2 * r, pod=pod
        )
    ),
    "operator_inference": _linear(
        lambda c, e, r, pod: rom.OperatorInference(r, pod=pod)
    ),
    "dmd": _linear(lambda c, e, r, pod: rom.DMD(r, pod=pod)),
    "pod_interpolation": _linear(lambda c, e, r, pod: rom.PODInterpolation(r, pod=pod)),
}
