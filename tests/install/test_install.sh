#!/bin/bash
# What `cmake --install` gives to a packager and to a program: installed into an empty folder that is then moved, every
# public header stands alone in C and C++, the library exports what they declare and neither prints nor exits, no
# path of the build is left, and the examples build and run by pkg-config and find_package, shared and static.
set -u
export LC_ALL=C
build="${PBT_BUILD_FOLDER:?}"
source="$PWD"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}
# quietly COMMAND...: shows what a command said only where it failed.
quietly() {
    "$@" >"$work/log" 2>&1 || {
        fail "$*"
        tail -n 30 "$work/log"
        return 1
    }
}

quietly cmake --install "$build" --prefix "$work/made" || exit 1
mv "$work/made" "$work/moved"
prefix="$work/moved"
library="$(find "$prefix" -name 'libpbt.so')"
folder="${library%/*}"
export PKG_CONFIG_PATH="$folder/pkgconfig"
unset PKG_CONFIG_LIBDIR LD_LIBRARY_PATH

for path in bin/pbt share/man/man1/pbt.1 share/bash-completion/completions/pbt share/doc/pbt/LICENSE \
    share/pbt/prompts/paper/standard.txt share/pbt/pocket/data/LICENSE.md \
    share/pbt/pocket/models/LICENSE.md share/pbt/pocket/models/agent-a/config.json; do
    [ -s "$prefix/$path" ] || fail "no $path"
done
left="$(grep -rlF -e "$source" -e "$work/made" "$prefix")"
[ -z "$left" ] || fail "paths of the build are in: $left"

# The program finds its data from where it lies.
(cd / && env -i "$prefix/bin/pbt" tokens pbt:pocket/models/agent-a "Hello") >"$work/out" 2>&1 ||
    fail "the moved program does not find its data: $(cat "$work/out")"
(cd / && PBT_DATA="$work/none" "$prefix/bin/pbt" run pbt:experiments/smoke.yaml) >"$work/out" 2>&1
grep -qF "with pbt in $work/none, found no such folder; install them, or set PBT_DATA" "$work/out" || fail "PBT_DATA is not heeded: $(cat "$work/out")"

# Headers, each alone.
(cd "$prefix/include" && find pbt -name '*.h' | sort) >"$work/headers"
[ "$(wc -l <"$work/headers")" -gt 10 ] || fail "no headers are installed"
grep -qF -e cli/ -e internal "$work/headers" && fail "an internal header is installed"
check_header() {
    local file="$work/alone-${1//\//-}"
    printf '#include <%s>\nint main(void) { return 0; }\n' "$1" >"$file.c"
    cp "$file.c" "$file.cpp"
    # shellcheck disable=SC2046
    set -- $(pkg-config --cflags pbt) -Wall -Wextra -Werror -pedantic -fsyntax-only
    "${CC:-cc}" -std=c17 "$@" "$file.c" && "${CXX:-c++}" -std=c++17 "$@" "$file.cpp" && "${CXX:-c++}" -std=c++20 "$@" "$file.cpp"
}
export -f check_header
export work
quietly xargs -P 2 -I{} bash -c 'check_header "$1"' _ {} <"$work/headers"
for header in $(grep -v -e '/declarations.h$' -e '^pbt/pbt.h$' "$work/headers"); do
    grep -q '^PBT_BEGIN_DECLS$' "$prefix/include/$header" || fail "$header declares outside PBT_BEGIN_DECLS"
done

# What is exported is what the headers declare; gcc lists the declarations.
nm -D --defined-only "$library" | awk '{print $3}' | sort -u >"$work/exported"
cat "$prefix"/include/pbt/*.h "$prefix"/include/pbt/*/*.h | grep -o 'pbt_[a-z0-9_]*' | sort -u >"$work/words"
comm -23 "$work/exported" "$work/words" >"$work/out"
[ ! -s "$work/out" ] || fail "exported without a declaration: $(tr '\n' ' ' <"$work/out")"
echo '#include <pbt/pbt.h>' >"$work/declared.c"
# shellcheck disable=SC2046
if "${CC:-cc}" $(pkg-config --cflags pbt) -aux-info "$work/aux" -fsyntax-only "$work/declared.c" 2>/dev/null; then
    sed -n 's/^.*:NC \*\/ extern .*[ *]\(pbt_[a-z0-9_]*\) (.*/\1/p' "$work/aux" | sort -u >"$work/declared"
    [ "$(wc -l <"$work/declared")" -gt 100 ] || fail "declarations are not found"
    comm -13 "$work/exported" "$work/declared" >"$work/out"
    [ ! -s "$work/out" ] || fail "declared, not exported: $(tr '\n' ' ' <"$work/out")"
fi
nm -D --undefined-only "$library" | awk '{print $2}' | sed 's/@.*//' |
    grep -xE 'exit|_exit|_Exit|quick_exit|abort|__assert_fail|v?printf|__v?printf_chk|puts|putchar|perror|stdout|stderr|err|errx|warn|warnx' >"$work/out"
[ ! -s "$work/out" ] || fail "the library prints or exits: $(tr '\n' ' ' <"$work/out")"

# One version everywhere. Compiled as C++, so that C linkage is tried too.
printf '#include <pbt/pbt.h>\n#include <cstdio>\nint main() { std::puts(pbt_version()); }\n' >"$work/version.cpp"
# shellcheck disable=SC2046
quietly "${CXX:-c++}" "$work/version.cpp" $(pkg-config --cflags --libs pbt) -o "$work/version"
said="$(LD_LIBRARY_PATH="$folder" "$work/version") $(pkg-config --modversion pbt) $("$prefix/bin/pbt" --version)"
[ "$said" = "${said%% *} ${said%% *} pbt ${said%% *}" ] || fail "versions differ: $said"

# try FOLDER: the examples in FOLDER run on the pocket model and on a file of trees.
try() {
    "$1/ask" "$prefix/share/pbt/pocket/models/agent-a" "In what California city is Knotts Berry Farm located?" \
        "Buena Park" "Anaheim" >"$work/out" 2>&1 && grep -q -- '-[0-9.]*  Buena Park' "$work/out" ||
        fail "$1/ask: $(cat "$work/out")"
    "$1/pairs" "$source/examples/trees.jsonl" >"$work/out" 2>&1 && grep -qx '2 pairs' "$work/out" ||
        fail "$1/pairs: $(cat "$work/out")"
}
warnings="-O1 -Wall -Wextra -Werror -pedantic"
cp -r examples "$work/examples"
quietly make -C "$work/examples" CFLAGS="$warnings" CXXFLAGS="$warnings" && LD_LIBRARY_PATH="$folder" try "$work/examples"
quietly make -C "$work/examples" -B STATIC=1 CFLAGS="$warnings" CXXFLAGS="$warnings" && try "$work/examples"
for static in OFF ON; do
    quietly cmake -S examples -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" -DSTATIC="$static" &&
        quietly cmake --build "$work/cmake" && try "$work/cmake"
    needed="$(readelf -d "$work/cmake/ask" | grep -c 'NEEDED.*libpbt')"
    [ "$needed" -eq "$([ "$static" = ON ] && echo 0 || echo 1)" ] || fail "find_package, STATIC=$static: the other library is linked"
done

[ "$failures" -eq 0 ] && echo "all passed"
exit "$((failures > 0))"
