#!/bin/sh
# enter [--share DIR]... COMMAND [ARGUMENT]...
#
# Runs COMMAND in the Debian root `sid` beside this script, as its real mount root: engines remount
# `/`, which fails under a plain chroot. Everything mounted here is private and goes with COMMAND.
# --share shows a folder of this machine at the same path inside.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$here/sid
if [ "${KILN_PEERS_ENTERING-}" != "$root" ]; then
    KILN_PEERS_ENTERING=$root exec unshare --mount --propagation private -- "$here/enter" "$@"
fi
unset KILN_PEERS_ENTERING

# pivot_root wants a mount point.
mount --bind "$root" "$root"
while [ "${1-}" = --share ]; do
    mkdir -p "$root$2"
    mount --bind "$2" "$root$2"
    shift 2
done
cd "$root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mkdir -p mnt/old
pivot_root . mnt/old
cd /
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
umount --lazy /mnt/old
exec "$@"
