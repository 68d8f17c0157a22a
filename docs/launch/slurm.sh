#!/bin/bash
#SBATCH --job-name=burgers
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
export XLA_PYTHON_CLIENT_PREALLOCATE=false
export JAX_COMPILATION_CACHE_DIR="$PWD/.jax_cache"
srun --nodes=1 --ntasks=1 .venv/bin/phix doctor
srun --kill-on-bad-exit=1 .venv/bin/phix sweep configs/sweep/burgers.toml \
    --out runs/burgers
