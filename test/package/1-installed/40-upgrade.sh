# A newer package comes while a command runs inside.
. /job/package/lib.sh

was=$(pid) version=$(dpkg-query -W -f '${Version}' coppice)
namespace=$(coppice exec web -- readlink /proc/self/ns/mnt)
socket=$(stat -c %i /run/coppice/coppiced.sock)
builds first

apt-get install -y -q "$newer"/coppice_*.deb
now=$(dpkg-query -W -f '${Version}' coppice)
dpkg --compare-versions "$version" lt "$now"
[ "$(pid)" != "$was" ] || fail "the daemon is the old one"
# Of a program whose file was replaced the kernel says that it is deleted.
same "the daemon's program" /usr/sbin/coppiced "$(readlink "/proc/$(pid)/exe")"
coppice version
same "the socket" "$socket" "$(stat -c %i /run/coppice/coppiced.sock)"
same "the session's namespace" "$namespace" "$(coppice exec web -- readlink /proc/self/ns/mnt)"
same "what was written" kept "$(coppice exec web -- cat /srv/data)"
same "what was written in the other" lost "$(coppice exec scratch -- cat /srv/data)"
builds first

say "the command ends, and who waits for it is told"
end_build first

say "a choice of the administrator is kept"
systemctl disable -q coppiced.service
apt-get install -y -q --reinstall "$newer"/coppice_*.deb
same "coppiced at boot" disabled "$(systemctl is-enabled coppiced.service || true)"
systemctl enable -q coppiced.service
systemctl start coppiced.service
active coppiced.service
