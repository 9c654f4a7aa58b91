#!/bin/sh
# mmdebstrap customize hook: keeps of a minimal Debian what kube-proxy, Envoy and small Python programs need.
# $1 is the root. Every node image holds this once; three images stand on it.
set -eu
root=$1
rm -rf "$root"/var/lib/apt "$root"/var/lib/dpkg "$root"/var/cache/* "$root"/var/log/* "$root"/usr/share/doc "$root"/usr/share/man \
  "$root"/usr/share/locale "$root"/usr/share/i18n "$root"/usr/share/info "$root"/usr/share/zoneinfo "$root"/usr/lib/apt \
  "$root"/usr/bin/apt* "$root"/usr/bin/dpkg* "$root"/usr/lib/x86_64-linux-gnu/libapt* "$root"/usr/lib/*/perl-base \
  "$root"/usr/bin/perl* "$root"/usr/lib/*/gconv "$root"/usr/lib/python3*/test "$root"/usr/lib/udev
rm -f "$root/etc/hostname" "$root/etc/resolv.conf"
find "$root/usr/lib" -name __pycache__ -type d -prune -exec rm -rf {} +
chroot "$root" python3 -m compileall -q /usr/lib/python3 /usr/lib/python3.11 >/dev/null
