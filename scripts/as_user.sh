#!/bin/sh
# Runs a command in this checkout as an ordinary user, wherever root keeps checkout and interpreter.
#
#   scripts/as_user.sh [--no-namespaces] COMMAND [ARGUMENTS ...]
#
# Needs root, and does it in a mount namespace of its own: nothing outside changes. With
# --no-namespaces the command can make no user namespace either, as in most containers. Where we are
# an ordinary user already, the command just runs.
set -eu
cd "$(dirname "$0")/.."
namespaces=yes
[ $# -gt 0 ] || { echo "as_user: a command is missing; see the head of $0" >&2; exit 2; }
[ "$1" != --no-namespaces ] || { namespaces=no; shift; }
[ "$(id -u)" = 0 ] || exec "$@"

if [ -z "${SV_AS_USER:-}" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    export SV_AS_USER="$scratch"
    export SV_INTERPRETER="$(.venv/bin/python -c 'import sys; print(sys.base_prefix)')"
    if [ $namespaces = yes ]; then
        unshare --mount --propagation private sh "$0" "$@"
        exit
    fi
    # Root of a user namespace that allows none below it; its maps are written from outside.
    mkfifo "$scratch/go"
    unshare --user --keep-caps --mount --propagation private sh -c '
        read -r go <"$SV_AS_USER/go"
        echo 0 >/proc/sys/user/max_user_namespaces
        exec sh "$@"' - "$0" "$@" &
    while [ "$(readlink /proc/$!/ns/user)" = "$(readlink /proc/$$/ns/user)" ]; do sleep 0.01; done
    echo 0 0 65536 >"/proc/$!/uid_map"
    echo 0 0 65536 >"/proc/$!/gid_map"
    echo go >"$scratch/go"
    wait $!
    exit
fi

# What lies below a closed folder (/root) is shown below an open, otherwise empty one.
stash=$SV_AS_USER/stash
mkdir "$stash"
number=0
closed=
for path in "$PWD" "$SV_INTERPRETER"; do
    mkdir "$stash/$number"
    mount --rbind "$path" "$stash/$number"
    number=$((number + 1))
    above=$path
    while [ "$above" != / ]; do
        above=$(dirname "$above")
        case $(stat -c %A "$above") in *x | *t) ;; *) closed="$above $closed" ;; esac
    done
done
for folder in $closed; do
    mount -t tmpfs -o mode=755 tmpfs "$folder"
done
number=0
for path in "$PWD" "$SV_INTERPRETER"; do
    if [ ! -e "$path" ]; then
        mkdir -p "$path"
        mount --rbind "$stash/$number" "$path"
    fi
    number=$((number + 1))
done
mkdir "$SV_AS_USER/home"
chmod 755 "$SV_AS_USER" # pytest lists every folder above a test file
chown 65534:65534 "$SV_AS_USER/home"
cd "$PWD"
exec env HOME="$SV_AS_USER/home" TMPDIR="$SV_AS_USER/home" PYTHONDONTWRITEBYTECODE=1 \
    HYPOTHESIS_STORAGE_DIRECTORY="$SV_AS_USER/home/hypothesis" \
    setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
