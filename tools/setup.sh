# Sourced by tools/run, tools/test and tools/page/check, with the checkout as working directory: makes .venv as it is
# needed, and leaves it alone if setup.cfg has not changed since. Usage: taskdash_setup EXTRA
# tools/bench says `taskdash_bench EXTRA` instead, and runs what it measures by "$python".
# With TASKDASH_LOCKED it has what tools/locked.txt names, each file checked by its hash, as in CI.

taskdash_fail() {
    printf '%s: %s\n' "$0" "$1" >&2
    exit 1
}

taskdash_apt() { # PACKAGE…: install what is missing, or say the one line that does
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $* ..." >&2
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@"; } \
            >/dev/null 2>&1 || taskdash_fail "could not install $*: run apt-get install $* and see why"
    else
        taskdash_fail "$* is missing; run this, then try again: sudo apt-get install $*"
    fi
}

taskdash_python() {
    for candidate in python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

taskdash_pip() { # EXTRA VENV
    local pip=("$2/bin/python" -m pip install --quiet --disable-pip-version-check)
    if [ -z "${TASKDASH_LOCKED-}" ]; then
        "${pip[@]}" --editable ".[$1]"
    else
        "${pip[@]}" --require-hashes --requirement tools/locked.txt &&
            "${pip[@]}" --no-deps --no-build-isolation --editable .
    fi
}

taskdash_setup() { # EXTRA [VENV PYTHON]
    local extra=$1 venv=${2:-.venv} python=${3-} larger wanted
    [ -n "$python" ] || python=$(taskdash_python)
    if [ -z "$python" ]; then
        command -v python3 >/dev/null && taskdash_fail "Python 3.11 or later is needed, as in Debian 12"
        taskdash_apt python3 python3-venv
        python=python3
    fi
    wanted=$(cat setup.cfg pyproject.toml | cksum)
    # Skip the setup if this extra or a larger one is there: dev holds test, which holds daemon.
    for larger in dev test daemon; do
        [ "$(cat "$venv/.taskdash-$larger" 2>/dev/null)" = "$wanted" ] && return
        [ "$larger" = "$extra" ] && break
    done
    # Debian splits ensurepip off into python3-venv.
    "$python" -c 'import ensurepip, venv' 2>/dev/null || taskdash_apt python3-venv
    echo "setting up $venv (once, about a minute) ..." >&2
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || taskdash_fail "cannot make $venv"
    taskdash_pip "$extra" "$venv" || taskdash_fail "pip could not install what TaskDash needs: is there a network?"
    echo "$wanted" >"$venv/.taskdash-$extra"
}

taskdash_bench() { # EXTRA: in $python the Python of Debian 12, which a Pi has, with what EXTRA needs
    local debian=/usr/bin/python3.11
    if [ -x $debian ] || apt-cache show python3.11-venv >/dev/null 2>&1; then
        $debian -c 'import ensurepip, venv' 2>/dev/null || taskdash_apt python3.11-venv
        taskdash_setup "$1" .venv-debian $debian
        python=.venv-debian/bin/python
    else
        taskdash_setup "$1"
        python=.venv/bin/python
        echo "there is no $debian, Debian 12's, which a Pi has: measuring with $("$python" --version) instead," \
            "whose build may be some percent faster or slower" >&2
    fi
    "$python" tools/bench/machine.py
}

taskdash_node() { # Node, and in tools/page/node_modules what tools/page names: with it the page is checked
    local wanted
    command -v node >/dev/null && command -v npm >/dev/null || taskdash_apt nodejs npm
    node -e 'const [n, m] = process.versions.node.split("."); process.exit(n > 18 || (n == 18 && m >= 18) ? 0 : 1)' ||
        taskdash_fail "Node 18.18 or later is needed, as in Debian 12; this is $(node --version)"
    wanted=$(cat tools/page/package.json tools/page/package-lock.json | cksum)
    [ "$(cat tools/page/node_modules/.taskdash 2>/dev/null)" = "$wanted" ] && return
    echo "setting up tools/page/node_modules (once, about half a minute) ..." >&2
    npm ci --prefix tools/page --no-audit --no-fund --silent ||
        taskdash_fail "npm could not install what the page is checked with: is there a network?"
    echo "$wanted" >tools/page/node_modules/.taskdash
}
