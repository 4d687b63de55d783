# What the next start of the machine is compared with.
. /job/package/lib.sh

coppice exec web -- sh -c 'echo written just before > /srv/last'
cat /proc/sys/kernel/random/boot_id > /root/boot
cat /var/lib/coppice/id > /root/id
cat > /etc/systemd/system/farm.service <<'E2'
[Unit]
After=coppiced.service
Wants=coppiced.service
[Service]
Type=oneshot
ExecStartPre=/usr/bin/coppice wait session/web --timeout 5m
ExecStart=/bin/sh -c 'coppice exec web -- cat /srv/data > /root/at-boot'
[Install]
WantedBy=multi-user.target
E2
systemctl enable -q farm.service
systemctl list-units --failed --no-legend
