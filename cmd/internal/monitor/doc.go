// Package monitor serves what can be seen of a daemon over HTTP: its metrics, whether
// it is alive and ready, and a page for people. All of it is read only; nothing can be
// changed by any request, and nothing is told that the status files do not tell
// everybody on the host.
//
// It listens on a unix socket or on a loopback address, and elsewhere only if that is
// asked for in so many words: there is no password and no encryption.
package monitor
