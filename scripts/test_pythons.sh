#!/bin/sh
# Runs the main job with every supported Python that this machine has, and compares what comes out.
# Each gets a clone and an environment of its own, one key for all, and must give the exit code, the counts and the
# stores of the others; `verify` looks at each.  What the machine lacks is named.
set -eu
project=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
supported='3.11 3.12 3.13'
export CTPREP_KEY_FILE="$work/key"
printf '%064d' 7 >"$CTPREP_KEY_FILE"

find_python() { # the command of a version: on the path, or among those of pyenv
    for command in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python"$1"; do
        if "$command" -c "import ensurepip, sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" >/dev/null 2>&1; then
            command -v "$command"
            return
        fi
    done
}

describe_output() { # exit code, counts and the hash of each store
    "$1/.venv/bin/python" - "$1/out/phantom-run" <<'PYTHON'
import json, sys
from pathlib import Path
from pipeline.output.tables import read_table

output = Path(sys.argv[1])
run = json.loads((output / "run.json").read_bytes())
print("exit code", run["exit_code"], run["counts"])
for row in sorted(read_table(output / "manifest.parquet"), key=lambda row: row["series_key"]):
    print(row["series_key"], row["status"], row["reason"], row["sha256"])
PYTHON
}

first=
found=
absent=
failures=0
for version in $supported; do
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        absent="$absent $version"
        continue
    fi
    found="$found $version"
    clone="$work/$version"
    git clone --quiet "$project" "$clone"
    echo "== Python $version"
    if ! (cd "$clone" && make --no-print-directory preprocess PYTHON="$python") >"$work/log" 2>&1; then
        cat "$work/log"
        failures=$((failures + 1))
        continue
    fi
    describe_output "$clone" >"$work/$version.txt"
    cat "$work/$version.txt"
    "$clone/.venv/bin/ctprep" verify "$clone/out/phantom-run" || failures=$((failures + 1))
    if [ -z "$first" ]; then
        first=$version
    elif ! diff "$work/$first.txt" "$work/$version.txt"; then
        echo "Python $version gives another result than Python $first."
        failures=$((failures + 1))
    fi
    rm -rf "$clone"
done

[ -z "$absent" ] || echo "Not on this machine:$absent"
[ -n "$found" ] || { echo "No supported Python was found."; exit 1; }
[ "$failures" -eq 0 ] && echo "Every Python that is here gives the same stores."
