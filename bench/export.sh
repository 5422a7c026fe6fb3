#!/usr/bin/env bash
# Raw judgements exported a second and the memory that takes, at a quarter and the whole of N rows (1,000,000), with a
# control that holds what it writes. Run alone. Usage: ./dev bench export [N]
cd "$(dirname "$0")/.." && exec build/bin/bench_export "${1:-1000000}"
