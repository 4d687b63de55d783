# The compatible command takes schroot's place, for sbuild too.
. /job/package/lib.sh

root=/srv/chroot/tiny
mkdir -p $root/{bin,etc,root,tmp,proc,sys,dev,build,home,usr,var/lib}
cp /bin/busybox $root/bin
chroot $root /bin/busybox --install -s /bin
cp /etc/passwd /etc/group /etc/nsswitch.conf $root/etc
sed -i 's,/bin/bash,/bin/sh,' $root/etc/passwd
printf '#!/bin/sh\nexec grep "^$2:" /etc/$1\n' > $root/bin/getent
# sbuild answers questions of packages beforehand; there are none here.
mkdir -p $root/usr/bin
printf '#!/bin/sh\nexec cat >/dev/null\n' > $root/usr/bin/debconf-set-selections
chmod +x $root/bin/getent $root/usr/bin/debconf-set-selections
cat > /etc/coppice/manifests.d/tiny.yaml <<M
apiVersion: coppice.dev/v1alpha1
kind: Chroot
metadata: {name: tiny-amd64-sbuild}
spec:
  description: Of one program
  aliases: [UNRELEASED-amd64-sbuild]
  source: {directory: {path: $root}}
  profileRef: {name: buildd}
  access: {groups: [root, sbuild], rootGroups: [root, sbuild], source: {groups: [root, sbuild], rootGroups: [root, sbuild]}}
M

dpkg-query -W -f '${db:Status-Status}\n' schroot | grep -x installed >/dev/null
apt-get install -y -q "$newer"/coppice*.deb
never sh -c "dpkg-query -W -f '\${db:Status-Status}\n' schroot | grep -qx installed"
dpkg-query -W -f '${db:Status-Status}\n' sbuild | grep -x installed >/dev/null
schroot --version | grep Coppice
test -f /usr/share/man/man1/schroot.1.gz

until_true sh -c 'schroot -l | grep -qx chroot:tiny-amd64-sbuild'
schroot -l --all-source-chroots | grep -x source:tiny-amd64-sbuild >/dev/null
schroot -l --all-sessions | grep -x session:web >/dev/null
same "a command inside" tiny-amd64-sbuild "$(schroot -c tiny-amd64-sbuild -- sh -c 'echo $SCHROOT_CHROOT_NAME')"
session=$(schroot -b -c tiny-amd64-sbuild)
schroot -r -c "$session" -u root -- touch /tmp/here
schroot -e -c "$session"

say "sbuild finds the chroot by the list, and opens its source"
echo 'echo of sbuild > /made; exit' | sbuild-shell tiny-amd64-sbuild
same "what sbuild-shell wrote" "of sbuild" "$(cat $root/made)"
same "sessions that are left" "scratch web" "$(coppice get sessions -o name | sed 's,.*/,,' | sort | paste -sd' ')"
