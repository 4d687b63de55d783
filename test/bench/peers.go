package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// subjects are all that is measured; programs that are not installed are left out.
func (p *place) subjects(ctx context.Context) ([]subject, error) {
	list, err := p.coppice(ctx)
	if err != nil {
		return nil, err
	}
	list = slices.Insert(list, 0, p.floor())
	if installed("schroot") {
		if err := p.configureSchroot(); err != nil {
			return nil, err
		}
		for _, kind := range []string{"directory", "loopback", "file"} {
			list = append(list, p.schroot("schroot, "+kind, "Debian's schroot, type="+kind+" with a union where it has one, and the same mounts", kind, "schroot"))
		}
	}
	list = append(list, subject{
		name: "unshare, sh", about: "unshare(1) and a script of mount(8) and chroot(8)",
		whole: func(ctx context.Context) error {
			return command(ctx, p.base, "unshare", "-m", "sh", "-ec", script, "sh", p.base)
		},
	})
	if installed("bwrap") {
		list = append(list, subject{
			name: "bubblewrap", about: "bwrap with a read-only root: this version has no overlay",
			whole: func(ctx context.Context) error {
				return command(ctx, p.base, "bwrap", "--ro-bind", p.path("root"), "/", "--proc", "/proc", "--dev", "/dev", "--bind", p.path("home"), "/home", "--bind", p.path("tmp"), "/tmp", "/bin/true")
			},
		})
	}
	if installed("systemd-nspawn") {
		list = append(list, subject{
			name: "systemd-nspawn", about: "systemd-nspawn --volatile=overlay --as-pid2",
			whole: func(ctx context.Context) error {
				return command(ctx, p.base, "systemd-nspawn", "-q", "--register=no", "--keep-unit", "--volatile=overlay", "--as-pid2", "-D", p.path("root"), "/bin/true")
			},
		})
	}
	return list, nil
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// script is what people write who have unshare(1) alone.
const script = `mount --make-rprivate /; t=$(mktemp -d "$1/tmp/s.XXXXXX"); mkdir "$t/u" "$t/w" "$t/r"
mount -t overlay -o "lowerdir=$1/root,upperdir=$t/u,workdir=$t/w" none "$t/r"
mount -t proc none "$t/r/proc"; mount -t sysfs none "$t/r/sys"; mount --rbind /dev "$t/r/dev"; mount --bind "$1/home" "$t/r/home"; mount --bind "$1/tmp" "$t/r/tmp"
chroot "$t/r" /bin/true; umount -l "$t/r"; rm -rf "$t"`

// configureSchroot gives schroot a configuration of its own, and places for what it
// writes.
func (p *place) configureSchroot() error {
	var config strings.Builder
	for kind, source := range map[string]string{"directory": "directory=" + p.path("root"), "loopback": "file=" + p.path("root.ext4"), "file": "file=" + p.path("root.tar")} {
		fmt.Fprintf(&config, "[%s]\ntype=%s\n%s\nprofile=bench\nroot-users=root\n", kind, kind, source)
		if kind != "file" {
			config.WriteString("union-type=overlay\n")
		}
	}
	return p.shell(fmt.Sprintf(`truncate -s 32M root.ext4; mkfs.ext4 -q -d root root.ext4
		mkdir -p schroot/bench schroot/chroot.d; cp -r /etc/schroot/setup.d schroot/; : > schroot/schroot.conf
		cat > schroot/chroot.d/bench <<'END'
%sEND
		: > schroot/bench/copyfiles; : > schroot/bench/nssdatabases
		cat > schroot/bench/fstab <<END
/proc /proc none rw,bind 0 0
/sys /sys none rw,bind 0 0
/dev /dev none rw,bind 0 0
/dev/pts /dev/pts none rw,bind 0 0
tmpfs /dev/shm tmpfs defaults 0 0
$PWD/home /home none rw,bind 0 0
$PWD/tmp /tmp none rw,bind 0 0
END
		mount --bind schroot /etc/schroot
		mount -t tmpfs -o mode=755 none /run/lock; mkdir -p /run/schroot/mount var
		mount --bind var /var/lib/schroot; mkdir -p var/session var/unpack var/union/overlay var/union/underlay`, config.String()))
}

// schroot is a session by a command with schroot's options.
func (p *place) schroot(name, about, chroot string, words ...string) subject {
	call := func(ctx context.Context, more ...string) error {
		return command(ctx, p.base, append(slices.Clone(words), more...)...)
	}
	return subject{
		name: name, about: about,
		begin: func(ctx context.Context, session string) error {
			return call(ctx, "-b", "-c", chroot, "-n", session+"-"+chroot)
		},
		exec: func(ctx context.Context, session string) error {
			return call(ctx, "-r", "-c", session+"-"+chroot, "-d", "/", "-u", "root", "--", "/bin/true")
		},
		end: func(ctx context.Context, session string) error { return call(ctx, "-e", "-c", session+"-"+chroot) },
	}
}
