#!/bin/sh
# debian.sh [PACKAGE...]: writes a minimal Debian root file system, with the packages installed, as a tar
# archive to standard output. Needs debootstrap and root, or mmdebstrap. The release is the machine's own,
# or $RELEASE.
set -eu
release=${RELEASE:-$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")}
include=$(echo "$*" | tr ' ' ',')
if command -v mmdebstrap >/dev/null; then
    exec mmdebstrap --quiet --variant=minbase ${include:+--include="$include"} "$release" -
fi
if ! command -v debootstrap >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "debian.sh: install mmdebstrap, or install debootstrap and run as root" >&2
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
debootstrap --variant=minbase ${include:+--include="$include"} "$release" "$work/rootfs" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    exit 1
}
# What apt downloaded is not part of a base.
rm -rf "$work/rootfs/var/cache/apt/"*.bin "$work/rootfs/var/cache/apt/archives/"*.deb
rm -rf "$work/rootfs/var/lib/apt/lists/"* "$work/rootfs/dev/"* "$work/rootfs/proc/"* "$work/rootfs/sys/"*
# The machine's own package sources are what works here.
cp /etc/apt/sources.list "$work/rootfs/etc/apt/sources.list" 2>/dev/null || true
tar -C "$work/rootfs" --sort=name --numeric-owner --xattrs --xattrs-include='*' -c .
