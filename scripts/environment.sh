# Sourced by the launchers: makes and keeps `.venv`, the environment of this checkout.
#
#   ensure_environment run|test     run: scripts/requirements.lock; test: requirements-dev.lock
#   ensure_nightly                  test, and scripts/requirements-nightly.lock on top
#
# By uv where it works, else by venv and pip. Installed anew when pyproject.toml or a lock changed
# (their checksums are kept in .venv), by one launcher at a time. $root is the checkout.

# The certificates that this machine trusts, as pip takes them.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"

say() { printf 'panspermia: %s\n' "$*" >&2; }

environment_python="$root/.venv/bin/python"

ensure_environment() {
    is_fresh "$1" && return 0
    sums=$(cd "$root" && cksum pyproject.toml scripts/requirements.lock scripts/requirements-dev.lock)
    if [ ! -w "$root" ]; then
        say "cannot write to $root, where .venv would go; clone it to a place of your own"
        exit 1
    fi
    exec 9>"$root/.venv.lock"
    lock_environment
    is_ready "$1" || make_environment "$1"
    exec 9>&-
}

ensure_nightly() {
    ensure_environment test
    stamp="$root/.venv/.stamp-nightly"
    [ "$stamp" -nt "$root/scripts/requirements-nightly.lock" ] && return 0
    say "installing requirements-nightly.lock"
    uv pip install -q --python "$environment_python" --require-hashes \
        -r "$root/scripts/requirements-nightly.lock" ||
        "$environment_python" -m pip install -q --require-hashes \
            -r "$root/scripts/requirements-nightly.lock" >&2 || {
        say "the fuzzer is there for CPython 3.11 to 3.13 on Linux; what failed is above"
        exit 1
    }
    : >"$stamp"
}

# The usual case, without starting a process: nothing was touched since the environment was made.
is_fresh() {
    [ -x "$environment_python" ] || return 1
    is_newest "$root/.venv/.stamp-test" || { [ "$1" = run ] && is_newest "$root/.venv/.stamp-run"; }
}

is_newest() {
    [ "$1" -nt "$root/pyproject.toml" ] && [ "$1" -nt "$root/scripts/requirements.lock" ] &&
        [ "$1" -nt "$root/scripts/requirements-dev.lock" ]
}

# Touched, but the same: a fresh clone over an old environment, say. What tests need includes all
# that a run needs.
is_ready() {
    [ -x "$environment_python" ] || return 1
    is_stamped test || { [ "$1" = run ] && is_stamped run; }
}

is_stamped() {
    [ "$(cat "$root/.venv/.stamp-$1" 2>/dev/null)" = "$sums" ] && touch "$root/.venv/.stamp-$1"
}

# The lock belongs to the open file, so it outlives the process that took it. Where neither program
# is there, two first runs at once are the user's to avoid.
lock_environment() {
    flock 9 2>/dev/null ||
        "$(find_python)" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 2>/dev/null || true
}

# The first Python that all dependencies are there for; nothing where there is none.
find_python() {
    for name in python3 python3.13 python3.12 python3.11 python; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
            >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
}

make_environment() {
    case $1 in
        run) lock=requirements.lock ;;
        test) lock=requirements-dev.lock ;;
    esac
    python=$(find_python)
    if uv --version >/dev/null 2>&1 && install_with_uv; then :
    elif install_with_pip; then :
    else
        say "the environment could not be made; what failed is above"
        exit 1
    fi
    compile_bytecode
    printf '%s\n' "$sums" >"$root/.venv/.stamp-$1"
}

install_with_uv() {
    say "installing $lock with uv"
    [ -x "$environment_python" ] ||
        uv venv -q --clear --python "${python:->=3.11,<3.14}" "$root/.venv" || return 1
    uv pip install -q --python "$environment_python" --require-hashes \
        -r "$root/scripts/$lock" || { say "uv could not; trying pip"; return 1; }
}

install_with_pip() {
    if [ -z "$python" ]; then
        say "Python 3.11, 3.12 or 3.13 is needed; your system may have one as a package"
        return 1
    fi
    say "installing $lock with pip"
    if ! "$environment_python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --clear "$root/.venv" || {
            say "on Debian and Ubuntu: apt install python3-venv"
            return 1
        }
    fi
    # A failure on top of an old environment may be the old environment's.
    pip_install || { "$python" -m venv --clear "$root/.venv" && pip_install; }
}

pip_install() {
    "$environment_python" -m pip install -q --disable-pip-version-check --no-input \
        --require-hashes -r "$root/scripts/$lock" >&2
}

# Neither uv nor an environment with PYTHONDONTWRITEBYTECODE compiles, and every start would.
compile_bytecode() {
    "$environment_python" -m compileall -q -j 0 "$root/.venv/lib" >/dev/null 2>&1 || true
    (cd "$root" && "$environment_python" -m compileall -q cli.py crdt storage p2p registry \
        universe node) >/dev/null 2>&1 || true
}
