package holders_test

import (
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/holders"
)

// TestWhoComesAndGoes asks about a namespace that is empty, into which somebody comes,
// and which is empty again.
func TestWhoComesAndGoes(t *testing.T) {
	first := exec.Command("/bin/sh", "-c", "echo ready; read x")
	first.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	keeps := start(t, first)
	var st unix.Stat_t
	must(t, unix.Stat(proc(keeps)+"/ns/mnt", &st))
	if list := holders.PidsIn(st.Ino); !slices.Equal(list, []int{keeps}) {
		t.Fatalf("in the namespace: %v, want %d", list, keeps)
	}
	// Right after a look nobody who comes in may be missed by who has to know.
	for range 20 {
		holders.PidsSeenIn(st.Ino)
		second := exec.Command("/usr/bin/nsenter", "--mount="+proc(keeps)+"/ns/mnt", "/bin/sh", "-c", "echo ready; read x; true")
		in, err := second.StdinPipe()
		must(t, err)
		out, err := second.StdoutPipe()
		must(t, err)
		must(t, second.Start())
		if _, err := out.Read(make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		if list := holders.PidsIn(st.Ino); !slices.Contains(list, second.Process.Pid) {
			t.Errorf("%d has come in, and only %v are found", second.Process.Pid, list)
		}
		for deadline := time.Now().Add(10 * time.Second); !slices.Contains(holders.PidsSeenIn(st.Ino), second.Process.Pid); {
			if time.Now().After(deadline) {
				t.Fatal("it is never seen")
			}
		}
		in.Close()
		must(t, second.Wait())
		// Who has gone is seen by nobody, however lately it was there.
		if list := holders.PidsSeenIn(st.Ino); !slices.Equal(list, []int{keeps}) {
			t.Fatalf("seen in the namespace: %v, want %d alone", list, keeps)
		}
	}
}

func BenchmarkPidsIn(b *testing.B) {
	for b.Loop() {
		holders.PidsIn(1)
	}
}

func BenchmarkPidsSeenIn(b *testing.B) {
	for b.Loop() {
		holders.PidsSeenIn(1)
	}
}
