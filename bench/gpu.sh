#!/usr/bin/env bash
# gpu [ROW…]: rows G0 to G6 on one NVIDIA GPU (after ./dev gpu-check, which builds with CUDA)
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x build-cuda/bin/bench_gpu ] || { echo "gpu: must find build-cuda/bin/bench_gpu, but it is not there. Hint: ./dev gpu-check on a machine with an NVIDIA GPU" >&2; exit 3; }
exec build-cuda/bin/bench_gpu "$@"
