# The package installs, and what it brings works with systemd.
. /job/package/lib.sh

apt-get install -y -q "$debs"/coppice_*.deb
active coppiced.socket
active coppiced.service
same "coppiced at boot" enabled "$(systemctl is-enabled coppiced.service)"
same "the socket at boot" enabled "$(systemctl is-enabled coppiced.socket)"
systemd-analyze verify --man=no /usr/lib/systemd/system/coppiced.service /usr/lib/systemd/system/coppiced.socket
say "$(systemctl show coppiced -p Type -p NotifyAccess -p StatusText -p WatchdogUSec | paste -sd' ')"
same "its type" notify "$(of coppiced Type)"
same "its state" running "$(of coppiced SubState)"
[ -n "$(of coppiced StatusText)" ] || fail "the daemon has not told systemd what it does"

say "it is in the host's namespaces, and has no rights less than others"
for ns in mnt uts ipc net pid user; do
    same "its namespace $ns" "$(readlink /proc/1/ns/$ns)" "$(readlink "/proc/$(pid)/ns/$ns")"
done
grep -q 'NoNewPrivs:.0' "/proc/$(pid)/status"
grep -q 'Seccomp:.0' "/proc/$(pid)/status"

say "the journal has its log"
journalctl -q -u coppiced -o cat | grep Starting >/dev/null

say "files"
version=$(dpkg-query -W -f '${Version}' coppice)
same "the version" "coppice $version" "$(coppice --version)"
coppice version | grep "^coppiced $version, pid $(pid)" >/dev/null
for file in share/man/man1/coppice-exec.1.gz share/man/man8/coppiced.8.gz share/bash-completion/completions/coppice \
    share/zsh/vendor-completions/_coppice share/fish/vendor_completions.d/coppice.fish share/coppice/schemas/session_v1alpha1.json \
    share/coppice/crds/coppice.dev_sessions.yaml share/doc/coppice/copyright share/doc/coppice/licenses.gz lib/coppice/schroot; do
    [ -f /usr/$file ] || fail "/usr/$file is not there"
done
coppice validate /usr/share/doc/coppice/examples
test -d /etc/coppice/manifests.d
dpkg --verify coppice
