#!/bin/bash
# Runs a script that was made of a document's commands, in namespaces of its own: the
# folders of the host that documents write to are others, which go when this ends, and so
# does whatever was started. Only cgroups and loop devices could be left: the daemon's last
# pass takes them away.
#
# Usage: run.sh SCRIPT BIN DOCS BEFORE: the folder with the script, those of the commands
# and of the documents, and what the document takes for granted, in bash.
set -euo pipefail

if [ "${1:-}" != inside ]; then
    exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$0" inside "$@"
fi
before=$5 work=/mnt

# What is hidden by other folders below is copied first.
mount -t tmpfs -o mode=0755 docs $work
mkdir $work/here $work/etc
cp -a "$2" $work/script
cp -a "$3" $work/here/bin
cp -a "$4" $work/here/docs
cp -a /etc/. $work/etc
rm -rf $work/etc/coppice $work/etc/schroot
mkdir -p $work/etc/coppice/manifests.d
mount --bind $work/etc /etc
for folder in /root /srv /run/coppice /var/lib/coppice /usr/local/bin; do
    mkdir -p "$folder" # an empty folder may be left, where there was none
    mount -t tmpfs -o mode=0755 docs "$folder"
done
mount -t tmpfs -o mode=1777 docs /tmp
cp $work/here/bin/* /usr/local/bin/
export PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
unset COPPICE_RUN_DIR

serve() {
    coppiced "$@" >>$work/log 2>&1 </dev/null &
    echo $! >$work/pid
    disown # so that bash says nothing when it is killed
    until coppice get sessions >/dev/null 2>&1; do
        kill -0 "$(<$work/pid)" || return 1
        sleep 0.05
    done
}

# What documents say to systemd, and to apt, which have done their part already.
systemctl() {
    case $1 in
    is-active) echo active ;;
    kill) kill -KILL "$(<$work/pid)" && serve ;;
    *) echo "systemctl $*: nobody does that here" && return 1 ;;
    esac
}
apt-get() { :; }

# one takes away all that manifests below a prefix ask for, and says if anything is left.
one() {
    rm -f "$1"/*.yaml "$3"/manifests/*.yaml
    [ -d "$2" ] || return 0
    coppiced --once --max-prune -1 --manifest-dir "$1" --state-dir "$2" --run-dir "$3" >>$work/log 2>&1
}

serve
export -f serve systemctl apt-get
export work
code=0
# In a shell of its own: bash goes on after a failure in what is followed by ||.
bash -c 'set -eE; cd $work/here; eval "$1"; . $work/script/run $work/script' commands "$before" || code=$?
exec >&2
for pid in $(pgrep -x coppiced); do kill "$pid"; done
for pid in $(pgrep -x coppiced); do tail --pid="$pid" -f /dev/null; done
one /etc/coppice/manifests.d /var/lib/coppice /run/coppice || code=$?
one /tmp/coppice/manifests.d /tmp/coppice/state /tmp/coppice/run || code=$?
[ $code = 0 ] || { echo "the daemon's log:" && tail -n 60 $work/log; }
exit $code
