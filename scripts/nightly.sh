#!/bin/sh
# Runs ctprep once, as every night: what is new or changed is prepared, and a log is kept.
#
#   scripts/nightly.sh CONFIG             run
#   scripts/nightly.sh --dry-run CONFIG   say what a run would do tonight; nothing is written
#
# Ends with 0 where the run is complete (0, or 3: some series were rejected) or another one is at it (6), else with
# ctprep's own code and the end of its log on standard error, which cron mails and the journal keeps.
#
# The log of each night lies under $XDG_STATE_HOME/ctprep (or ~/.local/state/ctprep); the last CTPREP_LOGS (30) stay.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
ctprep=${CTPREP:-$here/.venv/bin/ctprep}
keep=${CTPREP_LOGS:-30}

say() { echo "nightly: $*" >&2; }

if [ "${1:-}" = --dry-run ] && [ $# -eq 2 ]; then
    exec "$ctprep" plan "$2"
fi
if [ $# -ne 1 ] || [ "$1" = --dry-run ]; then
    say "usage: $0 [--dry-run] CONFIG"
    exit 2
fi

logs=${XDG_STATE_HOME:-$HOME/.local/state}/ctprep/$(basename "$1" .yaml)
log=$logs/$(date -u +%Y-%m-%dT%H%M%SZ).log
# A log may name a folder: it is its owner's alone.  The output keeps to the user's own umask, as by hand.
(umask 077 && mkdir -p "$logs" && : >"$log")

code=0
"$ctprep" run "$1" --log-json >>"$log" 2>&1 || code=$?

# Names begin with the time, so their order is that of the nights.
find "$logs" -name '*.log' | sort -r | tail -n "+$((keep + 1))" | while IFS= read -r old; do rm -f "$old"; done

case $code in
0 | 3 | 6) ;;
*)
    say "ctprep ended with $code; the end of $log:"
    tail -n 5 "$log" >&2
    exit "$code"
    ;;
esac
