#!/bin/bash
# Shows Coppice at work under a private folder, and takes all of it away again:
# four kinds of session, a repair, a killed daemon, and nothing left at the end.
# Every claim is checked; the first that does not hold ends the demo with 1.
set -euo pipefail
cd "$(dirname "$0")/../.."

bin=$PWD/bin
# The paths that the kernel tells have no links in them.
place=$(realpath "$(mktemp -d /tmp/coppice-demo.XXXXXX)")
export COPPICE_RUN_DIR=$place/run
daemon=

say()   { printf '\n\033[1m%s\033[0m\n' "$*"; }
show()  { printf '\033[2m$ %s\033[0m\n' "${*//$place/\$PLACE}"; "$@"; }
fail()  { printf '\nThe demo failed: %s\n' "$*" >&2; tail -n 20 "$place/log" >&2 || true; exit 1; }

coppice() { "$bin/coppice" "$@"; }

start() {
    "$bin/coppiced" --manifest-dir "$place/manifests" --state-dir "$place/state" --run-dir "$place/run" 2>>"$place/log" &
    daemon=$!
    disown
    until coppice get profiles >/dev/null 2>&1; do
        kill -0 "$daemon" 2>/dev/null || fail "coppiced did not start"
        sleep 0.05
    done
}

# eventually CONDITION...: the daemon acts by itself; give it a moment.
eventually() {
    local i
    for i in $(seq 200); do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}

clean() {
    trap - EXIT
    [ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null || true
    # Only what a failed demo left behind; after a good one there is nothing.
    findmnt -rno TARGET | { grep "^$place" || true; } | sort -r | while read -r point; do
        umount -l "$point" 2>/dev/null || true
    done
    rm -rf --one-file-system "$place"
}
trap clean EXIT
trap 'exit 130' INT TERM

[ "$(id -u)" = 0 ] || fail "it mounts file systems, and only root may; run it as root"

say "1. Roots to grow sessions from: a folder's archive, an image, a subvolume"
root=$place/root
mkdir -p "$root"/{bin,etc,proc,sys,dev,tmp} "$place/manifests" "$place/btrfs"
cp /bin/busybox "$root/bin/busybox"
for tool in sh ls cat echo mount hostname id; do ln -s busybox "$root/bin/$tool"; done
echo "a small root for the demo" > "$root/etc/motd"
tar -C "$root" -c . | zstd -q > "$place/small.tar.zst"
mksquashfs "$root" "$place/small.sqfs" -quiet -no-progress
truncate -s 256M "$place/small.btrfs"
mkfs.btrfs -q "$place/small.btrfs" 2>/dev/null
mount -o loop "$place/small.btrfs" "$place/btrfs"
btrfs -q subvolume create "$place/btrfs/small"
cp -a "$root/." "$place/btrfs/small"
(cd "$place" && ls -lh small.*)

say "2. Their manifests: the shipped examples, pointed at these files"
for example in host-root tarball loop-image btrfs; do
    sed -e "s,/srv/chroot/debian.tar.zst,$place/small.tar.zst," \
        -e "s,/srv/chroot/debian.img,$place/small.sqfs," \
        -e "s,/srv/btrfs/debian,$place/btrfs/small," \
        "docs/examples/$example.yaml" > "$place/manifests/$example.yaml"
done
show coppice validate "$place/manifests"

say "3. The daemon starts, and four sessions grow"
start
show coppice wait --timeout=60s session/host-root session/tarball session/loop-image session/btrfs
show coppice get sessions
show coppice exec tarball -- cat /etc/motd
show coppice tree loop-image

say "4. What is written in a session stays in it"
show coppice exec host-root -- sh -c 'echo changed > /etc/motd && cat /etc/motd'
! grep -qx changed /etc/motd 2>/dev/null || fail "the host's /etc/motd was changed"
echo "the host's /etc/motd is as it was"

say "5. Somebody breaks a session: /proc is unmounted inside"
pin() { findmnt -rno TARGET -t nsfs | grep "^$place/run/ns/$1/"; }
whole() { nsenter --mount="$(pin tarball)" /bin/mount 2>/dev/null | grep -q ' on /proc '; }
show nsenter --mount="$(pin tarball)" /bin/busybox umount /proc
eventually whole || fail "/proc was not mounted again"
repaired() { coppice describe session tarball | grep -q 'Repaired.*proc'; }
eventually repaired || fail "the repair was not told"
coppice describe session tarball | grep Repaired

say "6. The daemon is killed; a session is broken, another one's manifest removed"
kill -9 "$daemon"
eventually bash -c "! kill -0 $daemon 2>/dev/null" || fail "it lives"
echo "dead; now the view of one session is unmounted, and the manifest of another removed"
umount "$place/run/sessions/tarball/root"
rm "$place/manifests/loop-image.yaml"
start
gone() { ! coppice get session loop-image >/dev/null 2>&1; }
back() { mountpoint -q "$place/run/sessions/tarball/root"; }
eventually gone || fail "the session of the removed manifest is still there"
eventually back || fail "the broken session was not repaired"
show coppice get sessions

say "7. A session around one command"
code=0
show coppice run / -- sh -c 'echo "hello from $(cat /proc/sys/kernel/ostype)"; exit 7' || code=$?
[ "$code" = 7 ] || fail "the exit code is $code, not the command's 7"
echo "its exit code came through: $code"

say "8. All manifests go, and nothing is left"
rm "$place"/manifests/*
show coppice wait --for=delete --timeout=60s session/host-root session/tarball session/btrfs
umount "$place/btrfs"
kill "$daemon"
eventually bash -c "! kill -0 $daemon 2>/dev/null" || fail "the daemon did not end"
daemon=
"$bin/coppiced" --manifest-dir "$place/manifests" --state-dir "$place/state" --run-dir "$place/run" --once >/dev/null 2>>"$place/log" || fail "the sweep found something"
nothing() {
    local what=$1
    shift
    printf '  %-42s' "$what"
    local left
    left=$("$@" || true)
    [ -z "$left" ] || { printf 'LEFT\n%s\n' "$left"; fail "$what: something is left"; }
    echo "none"
}
nothing "mounts (findmnt)"             bash -c "findmnt -rno TARGET | grep '^$place'"
nothing "loop devices (losetup)"       bash -c "losetup -a | grep '$place'"
nothing "homes, trees, trash (find)"   find "$place"/state/{sessions,bases,trash} -mindepth 1
nothing "pins and views (find)"        find "$place"/run/{ns,sessions,bases} -mindepth 1
nothing "processes (pgrep)"            pgrep -f "^$bin/coppiced.*$place"

say "Done: nothing is left."
