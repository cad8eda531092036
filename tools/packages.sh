# Debian packages pbt is built with, and their installation where they are missing and that is permitted.
# Sourced by demo.sh and test.sh.

build_packages="build-essential cmake ninja-build pkg-config libjansson-dev libxxhash-dev libpcre2-dev
libutf8proc-dev libsqlite3-dev libyaml-dev libedit-dev"
test_packages="libcmocka-dev"
fuzz_packages="clang libclang-rt-14-dev"
lint_packages="clang-tidy clang-format"

# install_packages PACKAGE...: installs what dpkg does not know as installed; says what to do where it may not.
install_packages() {
    missing=""
    command -v dpkg-query >/dev/null 2>&1 || {
        echo "This is not a Debian system; please see to it that these (or their like) are there: $*" >&2
        return 0
    }
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "install ok installed" ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            as_root="sudo"
        else
            echo "Please install these packages first (as root): apt-get install$missing" >&2
            return 1
        fi
    fi
    echo "Installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    { $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends $missing; } \
        </dev/null >/tmp/pbt-apt.$$.log 2>&1 || {
        tail -n 20 "/tmp/pbt-apt.$$.log" >&2
        echo "Installing$missing failed; the log is /tmp/pbt-apt.$$.log" >&2
        return 1
    }
    rm -f "/tmp/pbt-apt.$$.log"
}

# build PRESET [TARGET]: configures and builds quietly; shows the log when it fails. A warning of another compiler is
# no error, unless PBT_WERROR=ON asks for it.
build() {
    log="/tmp/pbt-build.$$.log"
    { cmake --preset "$1" -DPBT_WERROR="${PBT_WERROR:-OFF}" && cmake --build --preset "$1" --target "${2:-all}"; } </dev/null >"$log" 2>&1 || {
        tail -n 40 "$log" >&2
        echo "The build failed; the log is $log" >&2
        return 1
    }
    rm -f "$log"
}
