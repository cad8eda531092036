#!/bin/bash
# PBT_BUILD_FOLDER=build/release tests/layout/test_layout.sh
# Holds the source to docs/ARCHITECTURE.md, by what the built objects define and need (nm) and by what is included:
#   1. a folder includes headers of itself and of the folders that CMakeLists.txt names for it, and of each of these;
#   2. there is no circle between the files of a folder, but those listed below;
#   3. a struct, union or enum of one name (pbt_...) is defined once, and no two files have one name.
# A file is X.c with X.h; an arrow is a call (or use of a variable) or an #include. A header whose functions stand in
# several files is an interface, a file by itself.
set -u
export LC_ALL=C
build=$PBT_BUILD_FOLDER
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
complain() {
    echo "layout: $*"
    bad=1
}

# Arrows that close a circle and may: FROM TO, and why.
cat >"$work/allowed" <<'END'
chat/jinja/parse_template chat/jinja/block statements have bodies, and bodies are templates
chat/jinja/call chat/jinja/eval a macro's default arguments are expressions
chat/jinja/call chat/jinja/statements a macro's body is statements, and is called in expressions
chat/jinja/list chat/jinja/filter map, select and reject apply a filter or test that they are given by name
END

# ---- folders ----

# The folder of a path: the nearest one that CMakeLists.txt names, so that tensor/cpu/kernels is in tensor.
find src -name '*.[ch]' | sed 's|^src/||' | sort >"$work/sources"
awk 'NR == FNR { listed[$1]; next }
     { folder = $1
       do sub("/[^/]*$", "", folder); while (!(folder in listed) && folder ~ "/")
       print $1, folder in listed ? folder : "-" }' "$build/layout.txt" "$work/sources" >"$work/folder_of"

# FROM_FILE TO_HEADER of every #include "..." that is in src/.
while read -r file folder; do
    sed -n "s|^#include \"\(.*\)\".*|$file \1|p" "src/$file"
done <"$work/folder_of" | awk 'NR == FNR { known[$1]; next } $2 in known' "$work/sources" - >"$work/includes"

awk 'FILENAME ~ "layout.txt$" { for (i = 2; i <= NF; i++) if ($i ~ /^pbt_/) links[$1, $i]; listed[$1]; all[NR] = $0; next }
     FILENAME ~ "folder_of$" { folder[$1] = $2; next }
     { from = folder[$1]; to = folder[$2]
       if (from == "-") next                   # the command line, which may use everything
       library = "pbt_" to; gsub("/", "_", library)
       used[from, library]
       if (from != to && !((from, library) in links))
           print "src/" $1 " includes " $2 ", but CMakeLists.txt does not name " library " for the folder " from }
     END { for (n in all) { m = split(all[n], word, " ")
               for (i = 2; i <= m; i++) if (word[i] ~ /^pbt_/ && !((word[1], word[i]) in used))
                   print "CMakeLists.txt names " word[i] " for the folder " word[1] ", which includes nothing of it" } }' \
    "$build/layout.txt" "$work/folder_of" "$work/includes" >"$work/wrong"
while read -r line; do complain "$line"; done <"$work/wrong"

# ---- files ----

# OBJECT SYMBOL KIND of the objects whose source is still there, from the library that its folder makes.
while read -r file folder; do
    case $file in *.c) ;; *) continue ;; esac
    [ "$folder" != - ] || continue
    library=pbt_${folder//\//_}
    for object in "$build"/CMakeFiles/"$library".dir/src/"$file".o "$build"/CMakeFiles/"$library"_*.dir/src/"$file".o; do
        [ -e "$object" ] && echo "$object"
    done
done <"$work/folder_of" | sort -u | xargs nm -A --format=posix |
    sed -E 's|^[^ ]*/src/([^ ]*)\.c\.o: |\1 |' | awk '$3 ~ /^[A-Za-z]$/ && $3 !~ /[abdnrst]/ { print $1, $2, $3 }' >"$work/symbols"
[ -s "$work/symbols" ] || complain "found no objects in $build"

# Interfaces: headers that name a function of another file, or that have no file.
while read -r header; do
    grep -o '\b[a-z_0-9]*(' "src/$header" | sort -u | sed "s|^|${header%.h} |; s|($||"
done < <(grep '\.h$' "$work/sources") >"$work/declared"
awk 'FILENAME ~ "folder_of$" { folder[$1] = $2; if ($1 ~ /\.c$/) { stem = $1; sub(/\.c$/, "", stem); source[stem] }
                              if ($1 ~ /\.h$/) { stem = $1; sub(/\.h$/, "", stem); header[stem] } next }
     FILENAME ~ "symbols$" { if ($3 != "U") defined[$2] = $1; next }
     ($2 in defined) && defined[$2] != $1 && folder[defined[$2] ".c"] == folder[$1 ".h"] { print $1 }
     END { for (stem in header) if (!(stem in source)) print stem }' \
    "$work/folder_of" "$work/symbols" "$work/declared" | sort -u >"$work/interfaces"

# FOLDER FROM TO: arrows between the files of a folder.
awk 'FILENAME ~ "folder_of$" { folder[$1] = $2; next }
     FILENAME ~ "interfaces$" { interface[$1]; next }
     FILENAME ~ "symbols$" { if ($3 != "U") defined[$2] = $1; else need[$1 " " $2]; next }
     { from = $1; to = $2; same = folder[from] == folder[to]; where = folder[from]
       header = from ~ /\.h$/; sub(/\.[ch]$/, "", from); sub(/\.h$/, "", to)
       if (to in interface) to = to ".h"
       if (header && from in interface) from = from ".h"
       if (same && where != "-" && from != to) print where, from, to }
     END { for (pair in need) { split(pair, p, " "); to = defined[p[2]]
               if (to != "" && to != p[1] && folder[to ".c"] == folder[p[1] ".c"]) print folder[to ".c"], p[1], to } }' \
    "$work/folder_of" "$work/interfaces" "$work/symbols" "$work/includes" | sort -u >"$work/arrows"

while read -r from to reason; do
    grep -q " $from $to\$" "$work/arrows" || complain "the arrow $from -> $to is allowed but gone; take it off the list in tests/layout/test_layout.sh"
done <"$work/allowed"
awk 'NR == FNR { allowed[$1, $2]; next } !(($2, $3) in allowed)' "$work/allowed" "$work/arrows" >"$work/checked"
for folder in $(cut -d' ' -f1 "$work/checked" | sort -u); do
    if ! awk -v folder="$folder" '$1 == folder { print $2, $3 }' "$work/checked" | tsort >/dev/null 2>"$work/loops"; then
        complain "a circle between files of src/$folder:" \
            "$(sed -n 's|^tsort: \([^-].*\)|\1|p' "$work/loops" | grep -v 'input contains a loop' | tr '\n' ' ')"
    fi
done

# ---- names ----

for name in $(grep -rhoE '^(typedef )?(struct|union|enum) pbt_[a-z0-9_]+ \{' src | grep -oE 'pbt_[a-z0-9_]+' | sort | uniq -d); do
    complain "$name is defined more than once: $(grep -rlE "(struct|union|enum) $name \{" src | tr '\n' ' ')"
done
for name in $(sed 's|.*/||' "$work/sources" | sort | uniq -d); do
    complain "there is more than one $name: $(grep "\(^\|/\)$name\$" "$work/sources" | tr '\n' ' ')"
done
[ $bad = 0 ] && echo "layout: $(grep -c . "$build/layout.txt") folders, $(wc -l <"$work/arrows") arrows within them, no circle but the $(wc -l <"$work/allowed") allowed"
exit $bad
