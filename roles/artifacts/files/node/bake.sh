#!/bin/sh
# Runs inside a container of a kind node image: puts the archives of /bake/images into its containerd store,
# unpacked, so that a node neither loads nor unpacks anything.
#
# kind mounts a volume over /var and the engine copies the image's /var into it, for every node. So only
# containerd's small database stays there: each unpacked layer moves to /kind/layers, outside /var, and the
# store holds a link to it. The layers are read-only lower directories of overlayfs, which follows the link; all
# nodes of a machine share one copy of them, on disk and in the page cache.
# /bake is a volume: containerd cannot unpack onto the container's own overlay.
set -eu
store=/var/lib/containerd
work=/bake/containerd
mkdir -p "$store"
cp -a "$store" "$work"
containerd --root "$work" --state /bake/state --address /bake/containerd.sock --log-level error > /bake/containerd.log 2>&1 &
daemon=$!
tries=0
until ctr --address /bake/containerd.sock version > /dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -ge 300 ] || ! kill -0 "$daemon" 2> /dev/null; then
    echo "containerd does not answer; its log ends:" >&2
    tail -n 5 /bake/containerd.log >&2
    exit 1
  fi
  sleep 0.1
done
for archive in /bake/images/*.tar; do
  ctr --address /bake/containerd.sock --namespace k8s.io images import --local --no-unpack=false "$archive" > /dev/null \
    || ctr --address /bake/containerd.sock --namespace k8s.io images import "$archive" > /dev/null
done
ctr --address /bake/containerd.sock --namespace k8s.io images list --quiet | grep -v '@sha256:' | sort > /kind/images.txt
kill "$daemon"
wait "$daemon" || true

snapshots=$work/io.containerd.snapshotter.v1.overlayfs/snapshots
mkdir -p /kind/layers
for snapshot in "$snapshots"/*; do
  [ -d "$snapshot/fs" ] && [ ! -L "$snapshot/fs" ] || continue
  layer=/kind/layers/$(basename "$snapshot")
  cp -a "$snapshot/fs" "$layer"
  rm -rf "$snapshot/fs"
  ln -s "$layer" "$snapshot/fs"
done
# A layer's archive is needed to unpack it, which is done: what is larger than any manifest or config goes.
find "$work/io.containerd.content.v1.content/blobs" -type f -size +1M -delete
rm -rf "${store:?}"
cp -a "$work" "$store"
