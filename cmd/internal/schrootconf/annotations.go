package schrootconf

// Domain is where a manifest keeps what schroot knows and Coppice does not, in
// annotations: Domain and a key of schroot.conf(5), such as preserve-environment.
const Domain = "schroot.coppice.dev/"

// IdleTimeout is the annotation of a chroot that says how long sessions which the
// command schroot begins last while nobody is inside, as 24h.
const IdleTimeout = Domain + "idle-timeout"
