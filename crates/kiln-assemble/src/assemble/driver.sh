# What runs in the sandbox when packages are unpacked: their scripts, in dpkg's order.
#
# FIRST are the packages that the scripts of all others count on, REST these others, FLAGS are for dpkg.
# Both are pairs: the name of a package, and how the files of its database are called.
set -e
cd /
umask 022
dpkg=/usr/bin/dpkg
info=/var/lib/dpkg/info
ci=/var/lib/dpkg/tmp.ci

# Runs what comes before unpacking. dpkg would have run it before there were files, with the same words and from
# the same place, where debconf looks for the package's name and questions.
before() {
    [ -x "$info/$2.preinst" ] || return 0
    mkdir $ci
    echo "Package: $1" > $ci/control
    for kind in config preinst templates; do
        if [ -e "$info/$2.$kind" ]; then
            cp -p "$info/$2.$kind" $ci/$kind
        fi
    done
    DPKG_MAINTSCRIPT_PACKAGE=$1 DPKG_MAINTSCRIPT_ARCH=$ARCHITECTURE DPKG_MAINTSCRIPT_NAME=preinst \
        DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_RUNNING_VERSION=$VERSION $ci/preinst install
    rm -rf $ci
}

for pair in $FIRST; do
    before "${pair%%=*}" "${pair#*=}"
done
# Everybody's scripts know users by their names.
if [ -e $info/base-passwd.list ]; then
    $dpkg $FLAGS --force-depends --configure base-passwd
fi
names=
for pair in $FIRST; do
    case $pair in base-passwd=*) ;; *) names="$names ${pair%%=*}" ;; esac
done
if [ -n "$names" ]; then
    $dpkg $FLAGS --configure $names
fi
for pair in $REST; do
    before "${pair%%=*}" "${pair#*=}"
done
if [ -n "$REST" ]; then
    $dpkg $FLAGS --configure --pending
fi

# What tells when this ran, or can be made again.
rm -f /etc/.pwd.lock /etc/*- /var/cache/apt/*.bin /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
    /var/lib/dbus/machine-id /var/lib/dpkg/*-old /var/lib/dpkg/lock /var/lib/dpkg/lock-frontend \
    /var/lib/dpkg/triggers/Lock /var/lib/systemd/random-seed /var/lib/urandom/random-seed \
    /var/log/alternatives.log /var/log/apt/*.log /var/log/bootstrap.log /var/log/dpkg.log
rm -rf /tmp/* /var/tmp/*
if [ -s /etc/machine-id ]; then
    : > /etc/machine-id
fi
