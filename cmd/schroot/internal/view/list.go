package view

import (
	"maps"
	"slices"

	"coppice.dev/cmd/schroot/internal/names"
)

// suffix is what the older names of sources end in, which are still listed.
const suffix = "-source"

// All are the names that there are, in every namespace, and what they mean.
type All struct {
	facts map[names.Name]Facts
	// aliases are by the name they stand for.
	aliases map[names.Name]names.Name
}

// Collect gathers facts by their names and aliases. What is called by two names
// goes by its own first.
func Collect(facts []Facts) All {
	a := All{map[names.Name]Facts{}, map[names.Name]names.Name{}}
	for _, f := range facts {
		a.facts[f.Name] = f
	}
	for _, f := range facts {
		for _, alias := range f.Aliases {
			a.alias(names.Name{Namespace: f.Namespace, Name: alias}, f.Name)
			if f.Namespace == names.Source {
				a.alias(names.Name{Namespace: names.Chroot, Name: alias + suffix}, f.Name)
			}
		}
		if f.Namespace == names.Source {
			a.alias(names.Name{Namespace: names.Chroot, Name: f.Name.Name + suffix}, f.Name)
		}
	}
	return a
}

func (a All) alias(alias, of names.Name) {
	if _, is := a.facts[alias]; is {
		return
	}
	if _, is := a.aliases[alias]; !is {
		a.aliases[alias] = of
	}
}

// Find returns what a name or an alias means.
func (a All) Find(n names.Name) (Facts, bool) {
	if f, is := a.facts[n]; is {
		return f, true
	}
	of, is := a.aliases[n]
	return a.facts[of], is
}

// Names returns all names of some namespaces, sorted, with the aliases or not.
func (a All) Names(aliases bool, of ...names.Namespace) []names.Name {
	var list []names.Name
	for n := range maps.Keys(a.facts) {
		list = append(list, n)
	}
	if aliases {
		for n, of := range a.aliases {
			// Sources are listed by their older names for their aliases only.
			if n.Namespace == of.Namespace || n.Name != of.Name+suffix {
				list = append(list, n)
			}
		}
	}
	list = slices.DeleteFunc(list, func(n names.Name) bool { return !slices.Contains(of, n.Namespace) })
	slices.SortFunc(list, names.Compare)
	return list
}
