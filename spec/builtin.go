package spec

import (
	"embed"
	"fmt"
	"sync"
)

//go:embed profiles/*.yaml
var profiles embed.FS

// BuiltinProfiles returns the profiles that are there without a manifest:
// minimal, default and buildd. A Profile of the same name takes the place of one.
// What is returned is the caller's own.
func BuiltinProfiles() []*Profile {
	var list []*Profile
	for _, p := range builtin() {
		list = append(list, p.DeepCopy())
	}
	return list
}

// builtin returns them shared, and not to be changed.
var builtin = sync.OnceValue(func() []*Profile {
	entries, err := profiles.ReadDir("profiles")
	if err != nil {
		panic(fmt.Sprintf("read built-in profiles: %v", err)) // embedded; cannot fail
	}
	var list []*Profile
	for _, e := range entries {
		name := "profiles/" + e.Name()
		text, err := profiles.ReadFile(name)
		if err != nil {
			panic(fmt.Sprintf("read built-in profile: %v", err)) // likewise
		}
		documents, problems := Parse(name, text)
		if len(problems) > 0 {
			panic(fmt.Sprintf("built-in profile: %v", problems[0])) // held by a test
		}
		for _, d := range documents {
			list = append(list, d.Object.(*Profile))
		}
	}
	return list
})
