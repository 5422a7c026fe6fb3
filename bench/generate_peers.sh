#!/usr/bin/env bash
# generate_peers [ROUNDS]: open to first token and greedy tokens/s beside transformers and llama.cpp (after ./dev peers)
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x .deps/peers/bin/python ] || { echo "generate_peers: must find .deps/peers, but it is not there. Hint: ./dev peers" >&2; exit 2; }
exec .deps/peers/bin/python bench/generate_peers.py "$@"
