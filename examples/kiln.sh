# Sourced by the examples: sets KILN to a kiln binary, building it first where none was given.
# shellcheck shell=sh
root=$(cd ../.. && pwd)
if [ -z "${KILN:-}" ]; then
    (cd "$root" && cargo build --release --quiet --package kiln)
    KILN=${CARGO_TARGET_DIR:-$root/target}/release/kiln
fi
bases=$root/examples/bases
