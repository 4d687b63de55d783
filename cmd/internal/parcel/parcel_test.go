package parcel

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stream is what a session sends.
func stream(t *testing.T, headers ...tar.Header) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = "evil"
			h.Size = int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// TestNothingIsWrittenElsewhere unpacks what a hostile session may send.
func TestNothingIsWrittenElsewhere(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg} }
	folder := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir} }
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
	}
	hard := func(name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to}
	}
	for name, headers := range map[string][]tar.Header{
		"another name":                  {file("other")},
		"the host's":                    {file("/victim")},
		"above":                         {file("../victim")},
		"above, by the way":             {file("x/../../victim")},
		"beside":                        {file("x/../victim")},
		"a name that begins alike":      {file("xx")},
		"through a link":                {folder("x"), link("x/l", ".."), file("x/l/victim")},
		"through a link to the host":    {folder("x"), link("x/l", "/"), file("x/l/victim")},
		"through a link of another's":   {folder("x"), link("x/l", "../../outside"), file("x/l/victim")},
		"over what is asked for":        {link("x", "victim"), file("x/f")},
		"over a link":                   {folder("x"), link("x/l", "../victim"), file("x/l"), file("x/l/f")},
		"a hard link":                   {folder("x"), hard("x/l", "../victim"), file("x/l")},
		"a hard link beside":            {folder("x"), hard("x/l", "victim")},
		"a hard link through a link":    {folder("x"), link("x/d", ".."), hard("x/l", "x/d/victim")},
		"a folder through a link":       {folder("x"), link("x/d", ".."), folder("x/d/new")},
		"a folder's mode through links": {folder("x"), folder("x/d"), link("x/d", "..")},
		"a hard link to itself":         {hard("x", "x")},
	} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			for _, dir := range []string{"to", "outside"} {
				if err := os.Mkdir(filepath.Join(base, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			victims := []string{"victim", "to/victim", "outside/victim"}
			for _, victim := range victims {
				if err := os.WriteFile(filepath.Join(base, victim), []byte("precious"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Unpack(stream(t, headers...), "x", filepath.Join(base, "to"), "x", func(string, error) {})
			if err == nil {
				t.Error("it was taken")
			}
			for _, victim := range victims {
				if text, err := os.ReadFile(filepath.Join(base, victim)); err != nil || string(text) != "precious" {
					t.Errorf("%s: %q, %v", victim, text, err)
				}
			}
			err = filepath.WalkDir(base, func(path string, _ os.DirEntry, err error) error {
				below, _ := filepath.Rel(base, path)
				if below != "." && below != "to" && below != "outside" && !strings.HasSuffix(below, "victim") && below != "to/x" && !strings.HasPrefix(below, "to/x/") {
					t.Errorf("written: %s", below)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLinksThatAreThere(t *testing.T) {
	base := t.TempDir()
	to, victim := filepath.Join(base, "to"), filepath.Join(base, "victim")
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(to, "x")); err != nil {
		t.Fatal(err)
	}
	if _, err := Unpack(stream(t, tar.Header{Name: "x", Typeflag: tar.TypeReg}), "x", to, "x", nil); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(to, "x"))
	if err != nil || string(text) != "evil" {
		t.Errorf("copied: %q, %v", text, err)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("written through a link: %q, %v", text, err)
	}
}

func TestHalfAStream(t *testing.T) {
	whole := stream(t, tar.Header{Name: "x", Typeflag: tar.TypeReg}).Bytes()
	for _, n := range []int{1, 100, 513} {
		if _, err := Unpack(bytes.NewReader(whole[:n]), "x", t.TempDir(), "x", nil); err == nil {
			t.Errorf("the first %d bytes were taken for all of it", n)
		}
	}
	if n, err := Unpack(bytes.NewReader(nil), "x", t.TempDir(), "x", nil); n != 0 || err != nil {
		t.Errorf("nothing: %d entries, %v", n, err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		base := t.TempDir()
		to := filepath.Join(base, "to")
		if err := os.Mkdir(to, 0o755); err != nil {
			t.Fatal(err)
		}
		_, _ = Unpack(bytes.NewReader(data), "x", to, "x", func(string, error) {}) // most of it is no stream
		if entries, err := os.ReadDir(base); err != nil || len(entries) != 1 {
			t.Errorf("written: %v, %v", entries, err)
		}
	})
}
