#!/bin/sh
# Builds five services the ordinary way on Debian, slims each, and shows what that saves. The service's own test
# passes in the slim image, or there is none. `run.sh NAME...` takes some of them; $MODE is another mode.
set -eu
cd "$(dirname "$0")"
. ../kiln.sh

"$KILN" inspect kiln-example/debian >/dev/null 2>&1 ||
    "$bases/debian.sh" ca-certificates | "$KILN" import - -t kiln-example/debian
for name in ${*:-c python node nginx go}; do
    "$KILN" build --quiet -t "slim/$name" --build-context debian:stable-slim=docker-image://kiln-example/debian "$name"
    set --
    # The others have a HEALTHCHECK.
    [ "$name" = nginx ] && set -- --test 'curl -fsS http://127.0.0.1:8104/ | grep -q warm'
    echo "== $name"
    "$KILN" slim "slim/$name" -t "slim/$name:slim" --mode "${MODE:-static}" "$@"
done
