#!/usr/bin/env bash
# The next task with 1,000,000 items, for a newcomer and for an annotator with 50,000 answers, and the control without
# the partial index. Usage: ./dev bench tasks [FOLDER]
cd "$(dirname "$0")/.." && exec build/bin/bench_tasks "${1:-$(mktemp -d)}"
