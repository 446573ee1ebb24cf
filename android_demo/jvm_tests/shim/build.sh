#!/bin/sh
# Builds libc.so, libm.so, libdl.so and liblog.so for the runtime's tests into the folder $1. Needs gcc on x86_64 Linux.
set -eu
here=$(dirname "$0")
out=$1
mkdir -p "$out"
echo 'LIBC { };' > "$out/version.map"

library() { # name, then sources and libraries
    name=$1
    shift
    gcc -shared -fPIC -O1 -Wall -Wl,-soname,"$name" -Wl,--version-script="$out/version.map" -o "$out/$name" "$@"
}

library libc.so "$here/bionic.c" -lm
library libm.so -x c /dev/null
library libdl.so -x c /dev/null
library liblog.so "$here/liblog.c"
