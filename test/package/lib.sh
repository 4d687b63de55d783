# What the scripts here have in common. Each is run as root by bash -euo pipefail, on a
# Debian that they may do anything to; a command that fails is named.

set -E
trap 'echo "FAILED: ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND" >&2' ERR

debs=/job/debs   # the packages
newer=/job/newer # the same, with a higher version

say() { printf '  %s\n' "$*"; }

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# same WHAT WANT GOT compares.
same() { [ "$2" = "$3" ] || fail "$1: it is '$3', and ought to be '$2'"; }

# never COMMAND fails if the command succeeds, which bash does not by itself for "!".
never() { if "$@"; then fail "it ought not to succeed: $*"; fi; }

# until_true COMMAND waits until the command succeeds. The machine may be a slow one.
until_true() {
    local tries=600
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "it never came true: $*"
        sleep 0.2
    done
}

# of UNIT PROPERTY tells what systemd says of it.
of() { systemctl show --property "$2" --value "$1"; }

pid() { of coppiced.service MainPID; }

# active UNIT fails if it is not.
active() { systemctl is-active --quiet "$1" || { systemctl status --no-pager "$1"; fail "$1 is not active"; }; }

inactive() { never systemctl is-active --quiet "$1"; }

# begin_build NAME starts a command inside of the session web, as a service, so that
# neither a script's end nor its terminal is in its way. It says when it is there, waits
# at a gate, and ends with 7.
begin_build() {
    # systemd has a meaning of its own for dollars, so the command is a file inside.
    coppice exec web -- tee "/srv/build-$1" >/dev/null <<SCRIPT
mkfifo /srv/gate-$1
echo \$\$ > /srv/inside-$1
read word < /srv/gate-$1
echo "heard \$word"
exit 7
SCRIPT
    systemd-run --quiet --unit "$1" --property RemainAfterExit=yes --property SuccessExitStatus=7 coppice exec web -- sh "/srv/build-$1"
    until_true coppice exec web -- test -s "/srv/inside-$1"
}

# builds NAME fails if the command that was begun does not run any longer.
builds() {
    same "the service $1" running "$(of "$1" SubState)"
    coppice exec web -- sh -c "kill -0 \$(cat /srv/inside-$1)"
    coppice ps web | grep "build-$1" >/dev/null
}

# end_build NAME opens the gate and wants the command to end as it must.
end_build() {
    coppice exec web -- sh -c "echo now > /srv/gate-$1"
    until_true sh -c "systemctl show -p SubState --value $1 | grep -qx exited"
    same "the exit code of $1" 7 "$(of "$1" ExecMainStatus)"
    until_true sh -c "journalctl -q -u $1 -o cat | grep -qx 'heard now'"
    systemctl stop "$1"
    coppice exec web -- rm -f "/srv/build-$1" "/srv/gate-$1" "/srv/inside-$1"
}
