#!/bin/sh
# Installs Python with apt-get in a RUN step, behind cache mounts that stay out of the image.
set -eu
cd "$(dirname "$0")"
. ../kiln.sh

"$KILN" inspect kiln-example/debian >/dev/null 2>&1 ||
    "$bases/debian.sh" ca-certificates | "$KILN" import - -t kiln-example/debian
"$KILN" build -t python-service --build-context debian:stable-slim=docker-image://kiln-example/debian .
"$KILN" images python-service
"$KILN" run --rm python-service --once
