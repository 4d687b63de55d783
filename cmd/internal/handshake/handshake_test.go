package handshake

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"coppice.dev/controller/socket/wire/frame"
)

// TestRequest has package net/http read what is sent.
func TestRequest(t *testing.T) {
	for _, session := range []string{"build-1", "a/../b", "ü?x#y%", "a\r\nX: y", "~a b"} {
		want := frame.Exec{Args: []string{"ls", "-l", "\r\n\r\n"}, User: "games", Terminal: true, TTY: []int{0, 1}}
		text, err := request(session, want)
		if err != nil {
			t.Fatal(err)
		}
		rest := bufio.NewReader(bytes.NewReader(text))
		got, err := http.ReadRequest(rest)
		if err != nil {
			t.Fatalf("%q: %v", session, err)
		}
		body, err := io.ReadAll(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		var e frame.Exec
		if err := json.Unmarshal(body, &e); err != nil || !reflect.DeepEqual(e, want) {
			t.Errorf("%q: body %s, %v", session, body, err)
		}
		if path, err := url.PathUnescape(got.URL.EscapedPath()); err != nil || path != frame.Version+"/sessions/"+session+"/exec" || strings.Count(got.URL.EscapedPath(), "/") != 4 {
			t.Errorf("%q: path %q, %v", session, got.URL.EscapedPath(), err)
		}
		if got.Method != http.MethodPost || got.Header.Get("Upgrade") != frame.Upgrade || got.Header.Get("Connection") != "Upgrade" || rest.Buffered() > 0 {
			t.Errorf("%q: %+v, and %d bytes", session, got, rest.Buffered())
		}
	}
	if _, err := request("s", frame.Exec{Args: []string{strings.Repeat("x", frame.MaxBody)}}); err == nil {
		t.Error("a request may be as long as it likes")
	}
}

func TestUpgraded(t *testing.T) {
	for head, want := range map[string]string{
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: coppice-exec\r\n\r\n": frame.Upgrade,
		"HTTP/1.1 101\r\nupgrade:other \r\n\r\n":                                                   "other",
		"HTTP/1.1 403 Forbidden\r\nUpgrade: coppice-exec\r\n\r\n":                                  "none",
		"HTTP/1.1 101 x\r\n\r\n":                                                                   "",
	} {
		if to, switched := upgraded([]byte(head)); switched != (want != "none") || switched && to != want {
			t.Errorf("%q: %q, %t", head, to, switched)
		}
	}
}

// FuzzUpgraded compares it with package net/http, wherever that finds an answer.
func FuzzUpgraded(f *testing.F) {
	for _, head := range []string{
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: coppice-exec\r\n\r\n",
		"HTTP/1.1 101\r\nupgrade:other \r\n\r\n",
		"HTTP/1.1 101 x\r\n\r\n",
		"HTTP/1.1 1010 x\r\nUpgrade: coppice-exec\r\n\r\n",
		"HTTP/1.1 403 Forbidden\r\nUpgrade: coppice-exec\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 101 x\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n",
		"HTTP/1.1 101 x\n\r\nUpgrade: coppice-exec\r\n\r\n",
		"HTTP/1.1 101 x\r\nUpgrade: coppice-exec\r\n 2\r\n\r\n",
		"hello\r\n\r\n",
	} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		head, err := readHead(bytes.NewReader(text))
		if err != nil {
			return
		}
		if !bytes.HasPrefix(text, head) || bytes.Count(head, []byte("\r\n\r\n")) != 1 {
			t.Fatalf("%q: the head is %q", text, head)
		}
		to, switched := upgraded(head)
		answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
		if err != nil {
			return // such an answer is nobody's, and asks for nothing
		}
		answer.Body.Close()
		if switched && answer.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("%q: an upgrade, where the answer is %s", head, answer.Status)
		}
		if switched && to == frame.Upgrade && answer.Header.Get("Upgrade") != frame.Upgrade {
			t.Errorf("%q: an upgrade to %q, where it is to %q", head, to, answer.Header.Get("Upgrade"))
		}
	})
}
