# Whatever happens to the daemon, who is inside does not notice.
. /job/package/lib.sh

# another WHAT fails if the daemon is still the one that it was.
another() {
    active coppiced.service
    [ "$(pid)" != "$was" ] || fail "$1: it is the same daemon"
    same "$1: the session's namespace" "$namespace" "$(coppice exec web -- readlink /proc/self/ns/mnt)"
    builds first
    was=$(pid)
}

was=$(pid)
namespace=$(coppice exec web -- readlink /proc/self/ns/mnt)

say "restarted"
systemctl restart coppiced
another restart

say "killed"
kill -9 "$was"
until_true sh -c "systemctl is-active -q coppiced && [ \$(systemctl show -p MainPID --value coppiced) != $was ]"
another kill

say "stopped: the next to ask starts it again, by the socket"
systemctl stop coppiced.service
inactive coppiced.service
active coppiced.socket
same "the session's view, without a daemon" kept "$(cat /run/coppice/sessions/web/root/srv/data)"
coppice exec web -- true
another activation

say "hanging: systemd notices by the watchdog, and starts another"
mkdir -p /run/systemd/system/coppiced.service.d
printf '[Service]\nWatchdogSec=8s\nTimeoutAbortSec=2s\n' > /run/systemd/system/coppiced.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart coppiced
was=$(pid)
kill -STOP "$was"
until_true sh -c "systemctl is-active -q coppiced && [ \$(systemctl show -p MainPID --value coppiced) != $was ]"
another watchdog
journalctl -q -u coppiced | grep -i 'watchdog timeout'
rm -r /run/systemd/system/coppiced.service.d
systemctl daemon-reload
systemctl restart coppiced
was=0
another "the unit as it was"

say "stopped with its socket: nobody gets in, those inside stay"
systemctl stop coppiced.socket coppiced.service
inactive coppiced.socket
same "the service first" running "$(of first SubState)"
never coppice exec web -- true
systemctl start coppiced.socket coppiced.service
was=0
another start
