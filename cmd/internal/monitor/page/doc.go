// Package page shows people in a browser what there is: sessions and how they are, what
// was made for them, who is inside, what happened lately. It is written by the server
// and lives without a script; with one it follows what changes.
//
// It changes nothing and asks for nothing: what it shows is what the status files tell
// everybody on the host. All of it is escaped, and a browser is told to run no script
// but the page's own.
package page
