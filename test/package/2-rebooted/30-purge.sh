# A purge leaves nothing but manifests, whoever is inside.
. /job/package/lib.sh

builds second
apt-get purge -y -q coppice
until_true sh -c '[ $(systemctl show -p SubState --value second) != running ]'
same "mounts that are left" "" "$(grep coppice /proc/self/mountinfo || true)"
# The machine's own harness is called so, too.
same "files that are left" "" "$(find /sys/fs/cgroup /var/lib /run /etc/systemd -maxdepth 3 -name '*coppice*' |
    grep -v -e coppice-guest -e coppice-job -e virtio-ports || true)"
same "processes that are left" "" "$(pgrep -af coppice | grep -v coppice-guest || true)"
same "what is left below /etc/coppice" "tiny.yaml web.yaml" "$(ls /etc/coppice/manifests.d | paste -sd' ')"
same "what is left below /usr" "" "$(find /usr -name '*coppice*' -not -path '/usr/lib/modules/*')"
never dpkg-query -W coppice
systemctl daemon-reload
# The service second has failed, as it must: its command was ended.
same "units that failed" "" "$(systemctl list-units --failed --no-legend --plain '*coppice*')"
