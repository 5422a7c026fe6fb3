#!/usr/bin/env bash
# tokenize [MODEL.gguf [TEXT]]: MB/s on one thread, beside Hugging Face tokenizers after ./dev peers; ids must be equal
set -euo pipefail
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
if [ $# -ge 2 ]; then text="$2"; else
  text="$work/text"
  for _ in 1 2 3 4 5 6 7 8; do cat README.md docs/*.md gui/*.cpp collector/*.cpp; done > "$text"
fi
build/bin/bench_tokenize "${1:-.deps/llama.cpp/models/ggml-vocab-llama-bpe.gguf}" "$text" "$work" | tee "$work/ours"
[ -x .deps/peers/bin/python ] || { echo "tokenize: no peer to compare with. Hint: ./dev peers"; exit 0; }
.deps/peers/bin/python bench/tokenize_peers.py "$work/tokenizer.json" "$text" | tee "$work/theirs"
[ "$(tail -1 "$work/ours")" = "$(tail -1 "$work/theirs")" ] || { echo "tokenize: the ids must be equal, but differ" >&2; exit 1; }
