// Command bench measures what a session costs: here, with the bare system calls
// that it takes, and with other programs for the same purpose, in turns in one run,
// so that whatever else the machine does is shared by all. It prints a table in
// Markdown and draws a plot.
//
// It works below a folder of its own, in a table of mounts of its own, which takes
// along whatever is left.
package main
