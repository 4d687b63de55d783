package tracer

import "golang.org/x/sys/unix"

// legacy are calls that newer architectures no longer have.
var legacy = map[int]call{}

// architecture is what seccomp(2) calls this machine.
const architecture = unix.AUDIT_ARCH_AARCH64
