#!/usr/bin/env bash
# Runs ctprep as one job of one node, with a worker for each of its cores.
#
#   sbatch scripts/submit_slurm.sh CONFIG --input DIR --output DIR
#
# Options of sbatch on the command line win over those below.  CTPREP names the program where it is not on the PATH.
# The job ends as ctprep does, but 3 (some series were rejected, and the manifest says why) counts as success.
#SBATCH --job-name=ctprep
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=5G
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@120

set -uo pipefail

: "${CTPREP:=ctprep}"

# Two minutes before its time is over the job is told so; what is finished by then is kept, and the next run goes on.
trap 'kill -TERM "$program" 2> /dev/null' TERM
"$CTPREP" run "$@" --cluster local --no-progress &
program=$!
wait "$program"
code=$?
if kill -0 "$program" 2> /dev/null; then # only the wait was interrupted
    wait "$program"
    code=$?
fi
if [ "$code" -eq 3 ]; then exit 0; else exit "$code"; fi
