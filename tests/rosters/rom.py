import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import nn, rom
from phix.data import Trajectory
from phix.pde import Burgers, FisherKPP, burgers_shock
from phix.space import Grid
from phix.train import Batch
from tests.rosters.case import Case, cast


GRID = Grid(8, (0.0, 100.0), boundary=("inflow", "outflow"))
TS = np.array([0.0, 0.1, 0.2])


def _points(dtype):
    return GRID.points.astype(dtype)


def _field(dtype):
    return burgers_shock(_points(dtype)[:, 0])[None]


def _drawn():
    """Networks in float32, so that both precisions see the same ones."""
    one = jnp.ones(1, jnp.float32)
    decoder = nn.SineDecoder(
        nn.MinMax.of(_points(jnp.float32)),
        nn.Standardiser(one, one),
        latent_size=2,
        width=4,
        depth=1,
        key=jr.key(0),
    )
    cond = nn.Standardiser(0.02 * one, 0.01 * one)
    return decoder, nn.SwishDynamics(2, cond, width=4, depth=1, key=jr.key(1))


def _model(latents, mean):
    decoder, dynamics = cast(_drawn(), latents.dtype)
    decoder = eqx.tree_at(lambda d: d.fields.mean, decoder, mean)
    return rom.ReducedModel(decoder, dynamics, latents, ("mu",))


def _args(dtype):
    latents = jnp.array([[[0.3, -0.2], [0.5, 0.4]]], dtype)
    return latents, jnp.full(1, 2.0, dtype)


def _phi(dtype):
    def loss(latents, mean, mu, field):
        sample = rom.Snapshot(
            field, jnp.zeros((), dtype), mu[None], jnp.int32(0), jnp.int32(1)
        )
        model, equation = _model(latents, mean), Burgers(GRID, 0.02)
        values = []
        for teacher in ("solver", "pointwise"):
            loss = rom.phi_loss(equation, ("mu",), teacher=teacher, fraction=0.5)
            values.append(loss(model, sample, step=0, key=jr.key(2)))
        return values

    return loss, (*_args(dtype), jnp.asarray(0.017, dtype), _field(dtype))


def _forecast(dtype):
    def run(latents, mean, start, mu):
        model = _model(latents, mean)
        made = rom.forecast(model, start, TS, GRID, cond=mu[None], throw=False)
        return made.latents, made.fields

    start = jnp.array([0.1, 0.2], dtype)
    return run, (*_args(dtype), start, jnp.asarray(0.02, dtype))


def _invert(dtype):
    def run(latents, mean, target):
        model = _model(latents, mean)
        points = _points(dtype)
        # A field the decoder can give: the minimum is found to round-off.
        field = model.decoder(points, target)
        law = rom.latent_law(_model(2 * latents + latents**2, mean))
        seen = rom.invert(
            model, points[:1], field[:, :1], prior=law, noise=0.5, max_restarts=0
        )
        return rom.invert(model, points, field, accept=1e-4).latent, seen.latent

    return run, (*_args(dtype), jnp.array([0.2, 0.1], dtype))


def _encoder(dtype):
    points = _points(jnp.float32)
    law = rom.LatentLaw(jnp.ones(2, jnp.float32), jnp.eye(2, dtype=jnp.float32))
    network = eqx.nn.MLP(8, 2, 4, 1, jax.nn.gelu, dtype=jnp.float32, key=jr.key(6))
    one = jnp.ones(1, jnp.float32)
    drawn = rom.SensorEncoder(points, nn.Standardiser(one, one), law, network)

    def run(factor, values):
        law = rom.LatentLaw(factor[0], factor)
        return eqx.tree_at(lambda e: e.law, cast(drawn, dtype), law)(values)

    factor = jnp.array([[1.0, 0.3], [-0.2, 2.0]], dtype)
    return run, (factor, _field(dtype))


def _velocity(dtype):
    def run(latents, mean, velocity):
        decoder = _model(latents, mean).decoder
        return rom.latent_velocity(decoder, latents[0, 0], velocity, _points(dtype))

    return run, (*_args(dtype), _field(dtype))


def _snapshots(fields):
    noise = jr.normal(jr.key(0), (2, 3, *fields.shape), jnp.float32)
    return fields + noise.astype(fields.dtype)


def _pod(dtype):
    def run(field, start, mu):
        data = TS, _snapshots(field), jnp.asarray([[0.01], [0.03]], dtype)
        method = rom.PODGalerkin(Burgers(GRID, 0.02), 2, centre=True, operators="rhs")
        model = rom.fit(method, data, parameters=("mu",), grid=GRID)
        made = rom.forecast(
            model, start, TS, GRID, cond=mu[None], scheme=dfx.Euler(), throw=False
        )
        return made.fields

    args = (_field(dtype), jnp.array([8.0, 0.5], dtype), jnp.asarray(0.02, dtype))
    return run, args


def _projections(dtype):
    def run(field, start, rate):
        grid = Grid(8, (0.0, 20.0))
        equation = FisherKPP(grid, 0.5)
        methods = (
            rom.PODGalerkin(equation, 2, operators="precomputed", pod="randomised"),
            rom.LSPG(equation, 2, 0.1, order=2, num_nodes=4, rtol=1e-14),
            rom.DEIMGalerkin(equation, 2, 3, centre=True),
        )
        data = TS, _snapshots(field), jnp.asarray([[0.5], [1.0]], dtype)
        made = []
        for method in methods:
            model = rom.fit(
                method, data, parameters=("rate",), grid=grid, key=jr.key(4)
            )
            end = rom.forecast(model, start, TS, grid, cond=rate[None], throw=False)
            made.append(end.fields)
        return made, rom.deim(model.decoder.modes)

    field = 0.3 * _field(dtype)
    return run, (field, jnp.array([2.0, 0.5], dtype), jnp.asarray(0.8, dtype))


def _data_driven(dtype):
    """Fitted to data alone; five frames, as differences ask for."""
    grid, ts = Grid(6, (0.0, 1.0)), np.linspace(0.0, 0.4, 5)
    rng = np.random.default_rng(7)

    def inputs(t, cond):
        return jnp.stack([jnp.sin(9 * t), cond[0]])

    methods = (
        rom.DMD(3),
        rom.DMD(2, inputs),
        rom.OperatorInference(2, regularisation=(1.0,), centre=True),
        rom.PODInterpolation(2),
        rom.PODInterpolation(2, "gp", noise=0.1, lengths=(0.5, 1.0)),
    )

    def run(us, start, rate):
        data = ts, us, jnp.asarray([[0.5], [1.0]], dtype)
        made = []
        for method in methods:
            model = rom.fit(method, data, parameters=("rate",), grid=grid)
            first = jnp.resize(start, model.latents.shape[-1])
            end = rom.forecast(model, first, ts, grid, cond=rate[None], throw=False)
            made.append(end.fields)
        return made

    # Smooth in time, lest the quadratic model blow up.
    waves = np.cos(np.outer(ts, [1.0, 3.0, 5.0]) + np.array([[[0.0]], [[0.4]]]))
    us = jnp.asarray((waves @ rng.normal(size=(3, 6)))[:, :, None], dtype)
    return run, (us, jnp.array([0.4, -0.3], dtype), jnp.asarray(0.8, dtype))


def _polynomial(dtype):
    def run(constant, linear, quadratic, start, cond):
        dynamics = rom.AffineDynamics(constant, linear, quadratic)
        return dynamics(0.0, start, cond), dynamics.at(cond)(0.0, 2 * start)

    rng = np.random.default_rng(3)
    shapes = (2, 3), (2, 3, 3), (2, 3, 6), (3,), (1,)
    return run, tuple(jnp.asarray(rng.normal(size=s), dtype) for s in shapes)


def _trained(dtype):
    """The objectives of the trained methods, at weights drawn in float32."""
    equation, networks = Burgers(GRID, 0.02), rom.Networks(2, width=4, depth=2)
    training = rom.Training(10, chunk=2)
    methods = (
        rom.PhiROM(equation, networks, training),
        rom.DINo(networks, training),
        rom.CROM(equation, networks, training),
    )

    def drawn(dtype):
        us = _snapshots(_field(dtype))
        cond = jnp.asarray([[0.01], [0.03]], dtype)
        return rom.training_data((TS, us, cond), parameters=("mu",), grid=GRID)

    weights = networks.build(drawn(jnp.float32), key=jr.key(1))

    def run(latents, us):
        data = eqx.tree_at(lambda d: d.us, drawn(dtype), us)
        model = eqx.tree_at(lambda m: m.latents, cast(weights, dtype), latents)
        ones, places = jnp.ones(2, dtype), jnp.arange(2, dtype=jnp.int32)
        values = []
        for method in methods:
            update, rows = method.update(data), method.samples(data)
            batch = Batch(jax.tree.map(lambda x: x[:2], rows), ones, places)
            for part in getattr(update, "updates", (update,)):
                found = part.objective(model, batch, step=9, key=jr.key(3))
                values.append(found[1] or found[0])
        return values

    latents = jr.normal(jr.key(5), (2, 3, 2), jnp.float32).astype(dtype)
    return run, (latents, drawn(dtype).us)


def _crom(dtype):
    def run(latents, mean, start, mu):
        decoder, equation = _model(latents, mean).decoder, Burgers(GRID, 0.02)
        points = _points(dtype)
        moved = rom.CROMDynamics(decoder, equation, points, None, ("mu",), rtol=1e-14)
        jacobian = rom.decoder_jacobian(decoder, points, start)
        return moved(start, jnp.asarray(TS, dtype), mu[None]), jacobian

    start = jnp.array([0.1, 0.2], dtype)
    return run, (*_args(dtype), start, jnp.asarray(0.02, dtype))


def _moving(dtype):
    def run(field, factor):
        us = jnp.stack([field, 1.1 * field * factor])
        start = jnp.full(1, 3.0, dtype)
        frozen = rom.forecast(rom.freeze(GRID, us[-1]), start, TS, GRID, throw=False)
        slid = rom.forecast(rom.slide(GRID, TS[:2], us), start, TS, GRID, throw=False)
        return frozen.fields, slid.fields

    return run, (_field(dtype), jnp.ones((), dtype))


def _samples(dtype):
    def run(us, mu):
        batch = Trajectory(
            *(jnp.asarray(np.tile(TS, (2, 1)), dtype), us, GRID, {"mu": mu}),
            *(jnp.zeros(2, jnp.int32), {}, jnp.full(2, jnp.inf, dtype)),
        )
        made = rom.snapshots(batch, ("mu",))
        whole = rom.sequences(rom.training_data(batch, parameters=("mu",)))
        return made.field, made.cond, whole.field, whole.cond

    us = jnp.stack([jnp.stack([_field(dtype)] * 3)] * 2)
    return run, (us, jnp.array([0.02, 0.03], dtype))


def _subset(dtype):
    def run(x):
        return x[rom.stratified_subset(x.shape[0], 3, key=jr.key(0))]

    return run, (jnp.arange(7, dtype=dtype),)


CASES = [
    Case(
        "Φ-ROM and PINN-ROM losses",
        _phi,
        ("phi_loss", "ReducedModel", "Snapshot"),
        no_grad="its gradient leaves out the scale of the target on purpose; "
        "tests/rom/test_phi.py compares it with differences that do the same",
        networks="decoder and latent velocity",
    ),
    Case(
        "forecast",
        _forecast,
        ("forecast", "Forecast", "decode_frames"),
        networks="decoder and latent velocity",
    ),
    Case(
        "inversion",
        _invert,
        ("invert", "Inversion", "LatentLaw", "latent_law"),
        networks="decoder and latent velocity",
    ),
    Case(
        "sensor encoder",
        _encoder,
        ("SensorEncoder",),
        networks="decoder and latent velocity",
    ),
    Case(
        "latent velocity",
        _velocity,
        ("latent_velocity",),
        networks="decoder and latent velocity",
    ),
    Case(
        "POD-Galerkin",
        _pod,
        (
            "fit",
            "training_data",
            "TrainingData",
            "AbstractMethod",
            "PODGalerkin",
            "pod_modes",
            "LinearDecoder",
            "GalerkinDynamics",
        ),
    ),
    Case(
        "projections",
        _projections,
        (
            "AbstractLatentMap",
            "DEIMDynamics",
            "DEIMGalerkin",
            "LSPG",
            "LSPGDynamics",
            "deim",
            "qdeim",
        ),
    ),
    Case(
        "data-driven models",
        _data_driven,
        (
            "DMD",
            "DMDDynamics",
            "ControlledDynamics",
            "OperatorInference",
            "PODInterpolation",
            "InterpolatedLatents",
        ),
        no_tpu="eigenvalues of matrices that are not symmetric: XLA has none for TPUs",
    ),
    Case("quadratic dynamics", _polynomial, ("QuadraticDynamics", "AffineDynamics")),
    Case(
        "freeze and slide",
        _moving,
        ("freeze", "slide", "ShiftDecoder", "ConstantVelocity"),
    ),
    Case(
        "trained methods",
        _trained,
        ("PhiROM", "DINo", "CROM", "AbstractAutoDecoder", "Networks", "Training"),
        no_grad="Φ-ROM's leaves out the scale of its target; of each loss "
        "tests/rom/test_phi.py and test_autodecoders.py have the truth",
        slow="three whole updates to compile; their losses are lines of their own",
        networks="decoder and latent velocity",
    ),
    Case(
        "CROM's steps",
        _crom,
        ("CROMDynamics", "decoder_jacobian"),
        networks="decoder and latent velocity",
    ),
    Case("samples", _samples, ("snapshots", "sequences", "Sequence")),
    Case("stratified subset", _subset, ("stratified_subset",)),
]
EXEMPT = {
    "acceptance": "a number for people, on the host",
    "invert_frames": "jitted itself; vmaps invert, which is in the roster",
    "ErrorReport": "what error_report gives",
    "error_report": "measures on the host, with a program for each frame; its parts "
    "are in the roster",
    "fit_encoder": "a loop on the host, as train.fit",
    "longest_step": "a search on the host; what it runs is in the roster",
    "readout": "fitted on the host; what it makes is in the roster",
    "low_rank": "chooses points on the host; its decoder is in the roster",
    "Price": "what price gives",
    "price": "measures on the host; what it times is in the roster",
    "fit_ensemble": "a loop on the host, as train.fit",
}
