package page

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"coppice.dev/spec"
	"coppice.dev/status"
)

// words are what templates say things with.
var words = template.FuncMap{
	"age":   age,
	"stamp": func(t metav1.Time) string { return t.UTC().Format(time.RFC3339) },
	"lower": func(text any) string { return strings.ToLower(fmt.Sprint(text)) },
	"link":  link,
	"part":  part,
	"full":  full,
	"limit": limited,
	"size":  size,
	"sub":   func(a, b int) int { return a - b },
	"dict":  dict,
	"time":  func(t *metav1.Time) metav1.Time { return *t },
}

// dict gives a template more than one value.
func dict(pairs ...any) map[string]any {
	values := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return values
}

// age says how long ago something was, or how long it is until then.
func age(t metav1.Time, now time.Time) string {
	if d := t.Sub(now); d > 0 {
		return "in " + duration.HumanDuration(d)
	}
	return duration.HumanDuration(now.Sub(t.Time)) + " ago"
}

// link is where an object is shown; "" if it has no page of its own.
func link(kind, name string) string {
	switch kind {
	case spec.KindSession:
		return "/sessions/" + url.PathEscape(name)
	case spec.KindChroot:
		return "/chroots/" + url.PathEscape(name)
	case status.KindManifest:
		return "/manifests"
	}
	return ""
}

// part is how far a step is, in percent; -1 if nobody knows.
func part(s *status.Step) int {
	if s == nil || s.Total <= 0 {
		return -1
	}
	return int(min(100, max(0, 100*s.Done/s.Total)))
}

// limited returns the object of a session whose size is limited, its own layer; nil if
// there is none.
func limited(s status.Status) *status.Object {
	for i, o := range s.Objects {
		if o.Owner == "" && o.Limit > 0 {
			return &s.Objects[i]
		}
	}
	return nil
}

// full is how much is used of what has a limit, in percent.
func full(o *status.Object) int { return int(float64(o.Used) / float64(o.Limit) * 100) }

// size is a number of bytes for people.
func size(bytes int64) string {
	const unit = 1024
	value, units := float64(bytes), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; value >= unit && i < len(units)-1; i++ {
		value /= unit
	}
	return fmt.Sprintf("%.4g %s", value, units[i])
}
