#!/bin/sh
# Makes the environment FOLDER from requirements.lock, with uv where it works, else with venv and pip.
# PYTHON names the interpreter to take; without it, the first of the usual names that is 3.11 or newer.
set -eu
folder=$1
names=${PYTHON:-python3.13 python3.12 python3.11 python3 python}

if uv --version >/dev/null 2>&1; then
    installer=uv
    modules=sys
else
    installer=pip
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

echo "Making $folder with $python and $installer: a minute or two, once."
# An environment that works is brought up to date; one of an older Python, or a broken one, is made anew.
"$folder/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || rm -rf "$folder"

if [ "$installer" = uv ]; then
    [ -d "$folder" ] || uv venv --quiet --python "$python" "$folder"
    uv pip sync --quiet --compile-bytecode --python "$folder/bin/python" --require-hashes requirements.lock
    uv pip install --quiet --python "$folder/bin/python" --no-deps --no-build-isolation --editable .
else
    "$python" -m venv "$folder"
    set -- "$folder/bin/python" -m pip --disable-pip-version-check --quiet install
    "$@" --require-hashes --requirement requirements.lock
    "$@" --no-deps --no-build-isolation --editable .
fi

# What Python and numba would otherwise compile during the first run, or in every one where they may not write.
"$folder/bin/python" -m compileall -q pipeline
"$folder/bin/python" -c 'import pipeline.prepare.preload'
