#!/usr/bin/env bash
# Tells Spark the GPUs of a host, by their numbers: a discovery script (see gpu.yaml).
set -euo pipefail
numbers=$(nvidia-smi --query-gpu=index --format=csv,noheader | sed 's/.*/"&"/' | paste -sd, -)
printf '{"name": "gpu", "addresses": [%s]}\n' "$numbers"
