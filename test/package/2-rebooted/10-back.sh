# After a reboot lasting sessions are back with what was written in them, the others
# are gone.
. /job/package/lib.sh

[ "$(cat /root/boot)" != "$(cat /proc/sys/kernel/random/boot_id)" ]
active coppiced.service
coppice wait session/web
same "what was written" kept "$(coppice exec web -- cat /srv/data)"
same "what was written last" "written just before" "$(coppice exec web -- cat /srv/last)"
same "what a service at boot has read inside" kept "$(cat /root/at-boot)"
same "sessions" web "$(coppice get sessions -o name | sed 's,.*/,,' | sort | paste -sd' ')"
same "homes of sessions" web "$(ls /var/lib/coppice/sessions)"
same "the controller's identity" "$(cat /root/id)" "$(cat /var/lib/coppice/id)"
journalctl -q -b -u coppiced -o cat | grep -i 'scratch' | head -3
