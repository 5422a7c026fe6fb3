# SPDX-License-Identifier: Apache-2.0
"""Files of `afina export-data` as Python reads them: pyarrow against JSON Lines, cell by cell.

Usage: ./dev peers parquet (makes a database of its own from tests/golden/transfer by `afina import`).
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import pyarrow.parquet

ROOT = pathlib.Path(__file__).resolve().parents[2]
AFINA = ROOT / "build" / "bin" / "afina"
KINDS = ["judgements", "dpo", "sft", "kto", "rankings", "conversations", "submissions", "notes", "scores"]
JSON_COLUMNS = {"aspects", "flags", "spans", "grades", "answers", "tiers", "shown_order"}
# Pseudonyms are salted anew for each file.
PSEUDONYMS = {"annotator", "annotators"}


def afina(home, *arguments):
    env = {**os.environ, "AFINA_HOME": str(home)}
    env.pop("DATABASE_URL", None)
    subprocess.run([str(AFINA), *map(str, arguments)], env=env, check=True, stdout=subprocess.DEVNULL)


def comparable(row):
    out = {}
    for name, value in row.items():
        if name in PSEUDONYMS:
            continue
        out[name] = json.loads(value) if name in JSON_COLUMNS and isinstance(value, str) else value
    return out


def main():
    rows = 0
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder) / "home"
        for sample in sorted((ROOT / "tests/golden/transfer").iterdir()):
            if "-" not in sample.name or sample.name.endswith(".expected.json"):
                continue
            afina(home, "import", "--format", sample.name.split("-")[0], "--licence", "CC0-1.0", "--declaration", "test", sample)
        for kind in KINDS:
            lines, table = (pathlib.Path(folder) / f"{kind}.{form}" for form in ("jsonl", "parquet"))
            for path in (lines, table):
                afina(home, "export-data", "--kind", kind, "--out", path)
            want = [comparable(json.loads(line)) for line in lines.read_text(encoding="utf-8").splitlines()]
            got = [comparable(row) for row in pyarrow.parquet.read_table(table).to_pylist()]
            if got != want:
                print(f"parquet: {kind} differs from JSON Lines", file=sys.stderr)
                return 1
            rows += len(got)
    if rows < 20:
        print(f"parquet: must compare at least 20 rows, but had {rows}", file=sys.stderr)
        return 1
    print(f"parquet: {rows} rows of {len(KINDS)} kinds are the same in both forms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
