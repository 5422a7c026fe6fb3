#!/usr/bin/env bash
# One collector under mixed load for SECONDS (60), its memory, descriptors, threads and connections watched: fails where any grows after the warm-up. `--leak` is the control; `--rest MS`: how long each client rests between two acts (20). Usage: ./dev bench soak [SECONDS] [--leak] [--rest MS]
cd "$(dirname "$0")/.." && exec build/bin/bench_soak build/bin/afina-collector "${1:-60}" "${@:2}"
