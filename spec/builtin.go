package spec

import (
	"embed"
	"fmt"
)

//go:embed profiles/*.yaml
var profiles embed.FS

// BuiltinProfiles returns the profiles that are there without a manifest:
// minimal, default and buildd. A Profile of the same name takes the place of one.
func BuiltinProfiles() []*Profile {
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
}
