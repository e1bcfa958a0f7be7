#!/bin/sh
# Three nodes on loopback for a person to play with: make cluster. They share a file
# as their database, which nodes of one machine may; they are gone with Ctrl-C.
# Arguments: the program, and a number that is added to every port (default 0).
set -eu
program=$1
shift_by=${2:-0}
dir=$(mktemp -d)
pids=
trap 'trap - INT TERM EXIT; kill $pids 2>/dev/null || true; wait; rm -rf "$dir"' INT TERM EXIT
(umask 077 && head -c 32 /dev/urandom | base64 >"$dir/keys")

port() { echo "127.0.0.1:$(($1 + 100 * n + shift_by))"; }

for n in 0 1 2; do
  for d in AHOY=8082 ASN=8081 K3K=8083 NKMEDIA=8085 SPREED=8084; do
    export "DRAGOMAN_DIALECTS_${d%=*}_LISTEN=$(port "${d#*=}")"
  done
  DRAGOMAN_HTTP_LISTEN=$(port 8080) DRAGOMAN_ADMIN_LISTEN=$(port 9090) \
  DRAGOMAN_MEDIA_UDP=$(port 7000) DRAGOMAN_MEDIA_TCP=$(port 7000) \
  DRAGOMAN_STORE_URL="sqlite:$dir/dragoman.db" DRAGOMAN_STORE_KEY=nodes-of-one-machine-to-play-with \
  DRAGOMAN_CLUSTER_NODE="n$n" DRAGOMAN_CLUSTER_KEY_FILE="$dir/keys" \
  DRAGOMAN_CLUSTER_SEEDS="127.0.0.1:$((7946 + shift_by))" \
  DRAGOMAN_CLUSTER_BIND=$(port 7946) DRAGOMAN_CLUSTER_LINK_LISTEN=$(port 7947) \
    "$program" serve --dev --ports-file "$dir/n$n.json" >/dev/null 2>"$dir/n$n.log" &
  pids="$pids $!"
  tries=0
  until [ -f "$dir/n$n.json" ]; do
    tries=$((tries + 1))
    if [ $tries -gt 150 ] || ! kill -0 $! 2>/dev/null; then
      echo "node n$n does not start:" >&2
      tail -n 5 "$dir/n$n.log" >&2
      exit 1
    fi
    sleep 0.2
  done
done

echo "Three nodes are one. Open each in a tab and join one room: all hear, see and read each other."
for n in 0 1 2; do
  echo "  lobby of n$n      http://$(port 8080)/"
done
n=0
echo "  dashboard        http://$(port 9090)/"
echo "  see and drain    $program node list --url $(port 9090); $program node drain n1 --url $(port 9090)"
echo "  logs             $dir/n*.log"
echo "Ctrl-C stops them."
wait
