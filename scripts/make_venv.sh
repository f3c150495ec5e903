#!/bin/sh
# Makes the environment FOLDER from a LOCK, or adds what it lacks of it: with uv, which is fetched first where it is
# not found, and with pip where uv cannot be had or does not reach the index.
# PYTHON names the interpreter to take; without it, the first of the usual names that is 3.11 or newer.
set -eu
folder=$1
lock=$2
names=${PYTHON:-python3.13 python3.12 python3.11 python3 python}
uv=$(command -v uv || true)

if [ -n "$uv" ] && "$uv" --version >/dev/null 2>&1; then
    modules=sys
else
    uv=
    modules='sys, ensurepip' # Debian parts ensurepip from Python, and without it an environment has no pip
fi

python=
for name in $names; do
    if "$name" -c "import $modules; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1; then
        python=$name
        break
    fi
done

if [ -z "$python" ]; then
    echo "No Python 3.11 or newer that can make an environment (looked for: $names)." >&2
    echo "Install one, with its venv module (Debian, Ubuntu: apt install python3-venv)," >&2
    echo "or name one: make setup PYTHON=/path/to/python3" >&2
    exit 1
fi

echo "Bringing $folder up to $lock with $python: a minute, once."
# An environment that works is brought up to date; one of an older Python, or a broken one, is made anew.
"$folder/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || rm -rf "$folder"

run_pip() {
    "$folder/bin/python" -m pip --disable-pip-version-check --quiet "$@"
}

fetch_uv() { # uv alone, by the hashes of the lock, from the index that pip is told to use
    sed -n '/^uv==/,/[^\\]$/p' "$lock" >"$folder/uv.lock"
    run_pip install --require-hashes --only-binary :all: --requirement "$folder/uv.lock" >/dev/null 2>&1 || return 1
    uv=$folder/bin/uv
    index=${PIP_INDEX_URL:-$(run_pip config get global.index-url 2>/dev/null || true)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
}

install_with_uv() {
    "$uv" pip install --quiet --compile-bytecode --python "$folder/bin/python" --require-hashes --requirement "$lock" &&
        "$uv" pip install --quiet --python "$folder/bin/python" --no-deps --no-build-isolation --editable .
}

install_with_pip() {
    run_pip install --require-hashes --requirement "$lock" &&
        run_pip install --no-deps --no-build-isolation --editable .
}

if [ -n "$uv" ]; then
    [ -d "$folder" ] || "$uv" venv --quiet --python "$python" "$folder"
    install_with_uv
else
    [ -d "$folder" ] || "$python" -m venv "$folder"
    if ! { fetch_uv && install_with_uv; }; then
        echo "Going on with pip, which takes longer."
        install_with_pip
    fi
fi

# What Python and numba would otherwise compile during the first run, or in every one where they may not write.
"$folder/bin/python" -m compileall -q pipeline
"$folder/bin/python" -c 'import pipeline.prepare.preload'
