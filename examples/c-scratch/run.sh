#!/bin/sh
# Compiles a C program in one stage; the other holds the program and nothing else.
set -eu
cd "$(dirname "$0")"
. ../kiln.sh

"$KILN" inspect kiln-example/gcc >/dev/null 2>&1 ||
    "$bases/debian.sh" gcc libc6-dev | "$KILN" import - -t kiln-example/gcc
"$KILN" build -t hello-c --build-context gcc=docker-image://kiln-example/gcc .
"$KILN" images hello-c
"$KILN" run --rm hello-c
