#!/bin/sh
# Makes a busybox base, builds the page on it, serves it, and reads it back.
set -eu
cd "$(dirname "$0")"
. ../kiln.sh

"$KILN" inspect busybox >/dev/null 2>&1 || {
    echo "== a base image from a root file system archive"
    "$bases/busybox.sh" | "$KILN" import - -t busybox
}
echo "== from a Dockerfile to an image"
"$KILN" build -t page .
echo "== the image, and what it is made of"
"$KILN" images page
"$KILN" history page
echo "== run it"
"$KILN" run --rm page sh -c 'httpd -p 127.0.0.1:8081 -h /www && wget -q -O - http://127.0.0.1:8081/kiln.html'
