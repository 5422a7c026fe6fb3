#!/usr/bin/env bash
# Durable votes a second on a private cluster, with p99, at 1, 8 and 32 threads. Run alone. Usage: ./dev bench votes [FOLDER]
cd "$(dirname "$0")/.." && exec build/bin/bench_votes "${1:-$(mktemp -d)}"
