#!/bin/bash
set -euo pipefail
TPU=burgers ZONE=us-central2-b BUCKET=my-bucket CONFIG=configs/sweep/burgers.toml
all=(--zone "$ZONE" --worker=all)
gcloud compute tpus queued-resources create "$TPU" --node-id "$TPU" --zone "$ZONE" \
    --accelerator-type v4-32 --runtime-version tpu-ubuntu2204-base --spot
until gcloud compute tpus queued-resources describe "$TPU" --zone "$ZONE" \
    --format='value(state.state)' | grep -q ACTIVE; do sleep 30; done
gcloud compute tpus tpu-vm scp "$CONFIG" "$TPU:sweep.toml" "${all[@]}"
gcloud compute tpus tpu-vm ssh "$TPU" "${all[@]}" --command="
    set -e
    mkdir -p runs && { mountpoint -q runs || gcsfuse $BUCKET runs; }
    python3 -m venv .venv
    .venv/bin/pip install -q 'jax[tpu]>=0.10' 'phix-jax[data,plot]'
    .venv/bin/phix sweep sweep.toml --out runs/burgers
"
