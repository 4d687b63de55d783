# Sessions are made and used: one of a lasting manifest, one that a reboot sweeps.
. /job/package/lib.sh

cat > /etc/coppice/manifests.d/web.yaml <<'M'
apiVersion: coppice.dev/v1alpha1
kind: Session
metadata: {name: web}
spec:
  chroot: {source: {directory: {path: /}}, union: {type: overlay}}
M
coppice wait session/web
sed 's/name: web/name: scratch/' /etc/coppice/manifests.d/web.yaml | coppice apply -f -
coppice wait session/scratch
coppice get sessions
coppice exec web -- sh -c 'echo kept > /srv/data; sync'
coppice exec scratch -- sh -c 'echo lost > /srv/data'
test ! -e /srv/data
same "what was written" kept "$(coppice exec web -- cat /srv/data)"
same "what the host sees" kept "$(cat /run/coppice/sessions/web/root/srv/data)"
coppice run / -- true

say "whose command it is shows in the journal"
until_true sh -c 'journalctl -q -u coppiced -o cat | grep -q "access granted"'

say "what was logged about a session is found by its name"
coppice logs web | grep "access granted" >/dev/null
same "of one alone" "" "$(coppice logs web -o json | grep -v '"session":"web"' || true)"

say "those inside are in cgroups of their own, and not what the daemon is to the OOM killer"
begin_build first
group=$(coppice exec web -- cat /proc/self/cgroup)
case $group in *coppiced.service*) fail "a command is in the daemon's cgroup: $group" ;; esac
same "its place with the OOM killer" 0 "$(coppice exec web -- cat /proc/self/oom_score_adj)"
same "the daemon's" -500 "$(cat "/proc/$(pid)/oom_score_adj")"
