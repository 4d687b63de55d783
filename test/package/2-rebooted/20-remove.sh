# A removal spares sessions, and installing again finds them.
. /job/package/lib.sh

begin_build second
namespace=$(coppice exec web -- readlink /proc/self/ns/mnt)
apt-get install -y -q "$newer"/coppice_*.deb # nothing to do
apt-get remove -y -q coppice coppice-schroot | tee /root/removal
grep 'sessions that stay as they are' /root/removal
test ! -e /usr/sbin/coppiced -a ! -e /usr/bin/coppice -a ! -e /usr/bin/schroot
inactive coppiced.service
inactive coppiced.socket
same "the client of a command" running "$(of second SubState)"
same "the session's view" kept "$(cat /run/coppice/sessions/web/root/srv/data)"

apt-get install -y -q "$debs"/coppice_*.deb
active coppiced.service
coppice wait session/web
same "the session's namespace" "$namespace" "$(coppice exec web -- readlink /proc/self/ns/mnt)"
test ! -e /var/lib/coppice-purge
builds second
