#!/bin/sh
# Runs inside a kind node: pod network, routes to the pods of clusters on the same network, masquerading towards
# everything else, and the addresses of LoadBalancer Services. Safe to run again; everything is replaced whole.
#   POD_CIDR  this cluster's pods        NODE_CIDR  the part of it that this node's pods live in
#   BLOCK     LoadBalancer addresses     PEERS      "<pod CIDR>=<node address> …" of clusters on the same network
#   UNREACHABLE "<pod CIDR> …" of clusters on other networks
set -eu
mkdir -p /etc/cni/net.d
cat > /etc/cni/net.d/.10-pods.conflist <<J
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "ranges": [[{"subnet": "$NODE_CIDR"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
J
mv /etc/cni/net.d/.10-pods.conflist /etc/cni/net.d/10-pods.conflist
direct=$POD_CIDR
for route in $(ip -4 route show proto 77 | awk '{print ($1 == "unreachable") ? $2 : $1}'); do
  case " $PEERS $UNREACHABLE " in
    *" $route="* | *" $route "*) ;;
    *) ip route del "$route" ;;
  esac
done
for peer in $PEERS; do
  ip route replace "${peer%%=*}" via "${peer##*=}" proto 77
  direct="$direct, ${peer%%=*}"
done
# Without this, packets to pods of another network would leave through the machine's own gateway and wait for a time-out.
for range in $UNREACHABLE; do
  ip route replace unreachable "$range" proto 77
done
ip route replace local "$BLOCK" dev eth0
nft -f - <<N
table ip mesh_fleet
delete table ip mesh_fleet
table ip mesh_fleet {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr $POD_CIDR ip daddr != { $direct } masquerade
  }
}
N
