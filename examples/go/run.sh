#!/bin/sh
# Builds a Go program in a large image and ships it in a small one; prints both sizes. The Dockerfile names
# the usual bases; here --build-context puts others, made from Debian's packages, in their places.
set -eu
cd "$(dirname "$0")"
. ../kiln.sh

"$KILN" inspect kiln-example/golang >/dev/null 2>&1 ||
    "$bases/debian.sh" golang-go gcc libc6-dev git ca-certificates | "$KILN" import - -t kiln-example/golang
"$KILN" inspect kiln-example/alpine >/dev/null 2>&1 ||
    "$bases/busybox.sh" | "$KILN" import - -t kiln-example/alpine

"$KILN" build -t hello-go \
    --build-context golang:1.21=docker-image://kiln-example/golang \
    --build-context alpine:3.18=docker-image://kiln-example/alpine .
echo "before and after:"
"$KILN" images kiln-example/golang
"$KILN" images hello-go
"$KILN" run --rm hello-go -once
