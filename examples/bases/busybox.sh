#!/bin/sh
# busybox.sh: writes a root file system of one static busybox as a tar archive to standard output.
# Takes the machine's own static busybox, else unpacks Debian's package into a temporary folder.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

is_static() { [ -x "$1" ] && ! ldd "$1" >/dev/null 2>&1; }

busybox=$(command -v busybox || true)
if ! is_static "${busybox:-/nonexistent}"; then
    # As root, apt downloads as a user of its own, who must be able to write here.
    chmod 755 "$work"
    (cd "$work" && apt-get download busybox-static >/dev/null 2>&1) || {
        echo "busybox.sh: there is no static busybox and it could not be downloaded;" \
            "install the package busybox-static" >&2
        exit 1
    }
    dpkg-deb -x "$work"/busybox-static_*.deb "$work/package"
    busybox=$(find "$work/package" -name busybox -type f | head -n 1)
fi

rootfs=$work/rootfs
mkdir -p "$rootfs/bin" "$rootfs/etc" "$rootfs/tmp" "$rootfs/root" "$rootfs/usr/bin" "$rootfs/usr/sbin" "$rootfs/sbin"
chmod 1777 "$rootfs/tmp"
chmod 700 "$rootfs/root"
cp "$busybox" "$rootfs/bin/busybox"
chmod 755 "$rootfs/bin/busybox"
for applet in $("$rootfs/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$rootfs/bin/$applet"
done
printf 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nbin:x:2:2:bin:/bin:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$rootfs/etc/passwd"
printf 'root:x:0:\ndaemon:x:1:\nbin:x:2:\nnogroup:x:65534:\n' >"$rootfs/etc/group"
tar -C "$rootfs" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -c .
