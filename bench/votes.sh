#!/usr/bin/env bash
# Durable votes a second on a private cluster beside pgbench's single-row insert of the same row, by 8 to 64 clients, with
# p99 at 70 % of the peak. Run alone. Usage: ./dev bench votes [FOLDER [VOTES]]
cd "$(dirname "$0")/.." && exec build/bin/bench_votes "${1:-$(mktemp -d)}" "${@:2}"
