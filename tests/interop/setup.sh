#!/usr/bin/env bash
# Makes tests/interop/.venv with what the interoperability tests compare with; .venv/ready appears when all of
# it is there. Usage: tests/interop/setup.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")"
python=${1:-python3}
if [ -e .venv/ready ]; then
    echo "tests/interop/.venv is ready"
    exit 0
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" "$(grep '^torch==' requirements.txt)"
"${pip[@]}" -r requirements.txt
touch .venv/ready
echo "tests/interop/.venv is ready"
