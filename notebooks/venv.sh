# Sourced by notebooks/open and tests/run: the repository's .venv, from a machine with Python 3.11 or newer and nothing else.

fail() {
    echo "error: $*" >&2
    exit 1
}

# Debian's packages, for root or whoever may become root.
apt_install() {
    command -v apt-get >/dev/null || return 1
    local root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || return 1
        root=(sudo)
    fi
    "${root[@]}" apt-get update -qq &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

find_python() {
    local python
    for python in python3 python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    fail "Python 3.11 or newer is needed, and none was found."
}

create_venv() {
    .venv/bin/python -m pip --version >/dev/null 2>&1 && return
    local python package
    python=$(find_python) || exit 1
    # Debian splits the standard library: without this package the venv module cannot give the new environment a pip.
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    "$python" -m venv --clear .venv >/dev/null 2>&1 ||
        { apt_install "$package" && "$python" -m venv --clear .venv; } ||
        fail "$python cannot make a virtual environment here, and $package could not be installed: that takes apt-get and root."
}

# prepare_venv EXTRA: this checkout with that extra in .venv. pyproject.toml as it was then is kept beside it, so that
# the next run sees at once whether anything has changed.
prepare_venv() {
    create_venv
    export PATH="$PWD/.venv/bin:$PATH"
    cmp -s pyproject.toml ".venv/$1.toml" && return
    echo "Installing into .venv: PyTorch alone is about 5 GB, which takes one to a few minutes the first time."
    python -m pip install --quiet --disable-pip-version-check --editable ".[$1]" || fail "pip could not install the '$1' extra, see above."
    cp pyproject.toml ".venv/$1.toml"
}
