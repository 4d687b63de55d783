// Package metrics counts what a controller does and how things are, as metrics of
// Prometheus. It is the controller's Observer; all else it asks for when somebody
// wants to know.
//
// No metric names a session: what is counted may be added up over many hosts, and
// does not grow with the number of sessions. What an event costs is a few counters;
// a look at the metrics costs in proportion to what there is, as is known already,
// and some milliseconds for the host.
//
// It serves nothing, makes no system call, and decides nothing.
package metrics
