# foreign.sh ARCHITECTURE
#
# Runs in the Debian root: puts Debian's static busybox for another processor at
# /foreign/ARCHITECTURE/busybox. apt gets lists and a cache of their own, so that the root itself knows
# nothing of other architectures.
set -eu

at=/foreign/$1
rm -rf "$at.partial"
mkdir -p "$at.partial/lists/partial" "$at.partial/cache/archives/partial"
cd "$at.partial"
apt() {
    apt-get -q -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
        -o Dir::State::Lists="$PWD/lists" -o Dir::Cache="$PWD/cache" -o APT::Sandbox::User=root \
        -o Acquire::Check-Valid-Until=false -o Acquire::Retries=3 "$@"
}
arch=$1
apt update
apt download busybox-static
dpkg-deb --extract busybox-static_*.deb root
mv root/usr/bin/busybox root/bin/busybox . 2>/dev/null || [ -f busybox ]
rm -rf lists cache root busybox-static_*.deb
rm -rf "$at"
mv "$at.partial" "$at"
