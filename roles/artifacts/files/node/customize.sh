#!/bin/sh
# mmdebstrap customize hook: turns a Debian root file system into a kind node's.
# $1 is the root; KIND_FILES is images/base/files of the kind module; BIN holds kubeadm, kubelet, kubectl.
# It does by hand what kind's own images/base/Dockerfile does with RUN.
set -eu
root=$1
cp -a "$KIND_FILES/." "$root/"
chmod -R u+w "$root/kind" "$root/etc/containerd" "$root/etc/systemd" "$root/etc/default" "$root/etc/sysctl.d" "$root/usr/local"
chown -R 0:0 "$root/kind" "$root/usr/local" "$root/etc/containerd" "$root/etc/systemd"
chmod 0755 "$root/kind" "$root/kind/bin" "$root"/kind/bin/* "$root/usr/local/bin/entrypoint"
install -m 0755 "$BIN/kubeadm" "$BIN/kubelet" "$BIN/kubectl" "$root/usr/bin/"
# Debian's containerd lies in /usr/bin; kind's unit expects its own build.
sed -i 's#/usr/local/bin/containerd#/usr/bin/containerd#' "$root/etc/systemd/system/containerd.service"
units=$root/lib/systemd/system
rm -f "$units"/multi-user.target.wants/* "$root"/etc/systemd/system/*.wants/* "$units"/local-fs.target.wants/* \
  "$units"/sockets.target.wants/*udev* "$units"/sockets.target.wants/*initctl* "$units"/basic.target.wants/* \
  "$units"/sysinit.target.wants/systemd-tmpfiles-setup.service
mkdir -p "$root/etc/systemd/journald.conf.d" "$root/etc/kubernetes/manifests" "$root/opt/cni" "$root/kind/manifests"
printf '[Journal]\nReadKMsg=no\n' > "$root/etc/systemd/journald.conf.d/kind.conf"
for unit in kubelet containerd undo-mount-hacks; do chroot "$root" systemctl enable "$unit.service"; done
chroot "$root" systemctl mask systemd-binfmt.service
[ -e "$root/sbin/init" ] || ln -s /usr/lib/systemd/systemd "$root/sbin/init"
[ -e "$root/opt/cni/bin" ] || ln -s /usr/lib/cni "$root/opt/cni/bin"
chroot "$root" ctr oci spec \
  | chroot "$root" jq '.hooks.createContainer[.hooks.createContainer | length] |= . + {"path": "/kind/bin/mount-product-files.sh"} | del(.process.rlimits)' \
  > "$root/etc/containerd/cri-base.json"
printf '%s' "$KUBERNETES_VERSION" > "$root/kind/version"
# The fleet brings its own pod network and needs no storage class, but kind reads both files.
printf '%s\n' 'apiVersion: storage.k8s.io/v1' 'kind: StorageClass' 'metadata: {name: standard}' 'provisioner: kubernetes.io/no-provisioner' \
  'volumeBindingMode: WaitForFirstConsumer' | tee "$root/kind/manifests/default-cni.yaml" > "$root/kind/manifests/default-storage.yaml"
rm -f "$root/etc/machine-id" "$root/etc/hostname" "$root/etc/resolv.conf"
# What lies in /var is copied into each node's volume: keep it small.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/* "$root"/var/log/* "$root"/usr/share/doc \
  "$root"/usr/share/man "$root"/usr/share/locale "$root"/usr/share/i18n "$root"/usr/share/info
# kind's entrypoint chooses iptables' mode through the alternatives database; the rest of dpkg's can go.
find "$root/var/lib/dpkg" -mindepth 1 -maxdepth 1 ! -name alternatives -exec rm -rf {} +
