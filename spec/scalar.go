package spec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// oldBools are words that YAML 1.1, and with it kubectl, reads as true or false,
// and YAML 1.2 as words. Nobody should have to know which. The letters y and n,
// which YAML 1.1 has among them, are left to be letters.
var oldBools = pattern(`^(yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$`)

// otherThanString says what a scalar is that YAML does not take for a string; it
// returns "" for a string. A date is one: in JSON there are none.
func otherThanString(node *yaml.Node) string {
	switch {
	case node.Tag == "!!timestamp":
		return ""
	case node.Tag != "!!str":
		return describe(node)
	case node.Style == 0 && oldBools().MatchString(node.Value):
		return "the truth value " + node.Value
	}
	return ""
}

// decimal is how a whole number may be written: 010 is 8 to some and 10 to others.
var decimal = pattern(`^[-+]?(0|[1-9][0-9]*)$`)

// scalar checks a plain Go type.
func (c *checker) scalar(node *yaml.Node, t reflect.Type, path string) (any, bool) {
	wrong := func(want, more string) (any, bool) {
		c.report(node, path, fmt.Sprintf("want %s, got %s", want, describe(node))+more)
		return nil, false
	}
	is := node.Kind == yaml.ScalarNode
	switch t.Kind() {
	case reflect.String:
		if !is {
			return wrong("a string", "")
		}
		if other := otherThanString(node); other != "" {
			c.report(node, path, fmt.Sprintf("want a string, got %s; put it in quotes: %q", other, shown(node.Value)))
			return nil, false
		}
		return node.Value, true
	case reflect.Bool:
		if !is || node.Tag != "!!bool" {
			return wrong("true or false", "")
		}
		return strings.EqualFold(node.Value, "true"), true
	default: // the only others are int and int64
		if !is || node.Tag != "!!int" {
			return wrong("a whole number", "")
		}
		if !decimal().MatchString(node.Value) {
			return wrong("a whole number", "; write it in plain decimal digits")
		}
		n, err := strconv.ParseInt(node.Value, 10, t.Bits())
		if err != nil {
			return wrong("a whole number", ", which is too large")
		}
		return n, true
	}
}

// example is how values of the types that read their own form look.
var example = map[reflect.Type]struct{ name, like string }{
	reflect.TypeFor[resource.Quantity](): {"a size", "write for example 512Mi or 2Gi"},
	reflect.TypeFor[metav1.Duration]():   {"a length of time", "write for example 90s, 30m or 24h"},
	reflect.TypeFor[metav1.Time]():       {"a time", "write for example 2026-01-31T12:00:00Z"},
}

// size is how a quantity may be written. The library takes exponents of any size
// too, and works on 1e-999999999 until it is out of memory.
var size = pattern(`^\+?[0-9]{1,18}(\.[0-9]{1,9})?([KMGTPE]i|[mkMGTPE]|[eE]\+?[0-9]{1,2})?$`)

// leaf checks a type that reads its own JSON form.
func (c *checker) leaf(node *yaml.Node, t reflect.Type, path string) (any, bool) {
	wrong := func() (any, bool) {
		e := example[t]
		c.report(node, path, fmt.Sprintf("want %s, got %s; %s", e.name, describe(node), e.like))
		return nil, false
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!bool" || node.Tag == "!!binary" {
		return wrong()
	}
	if t == reflect.TypeFor[resource.Quantity]() {
		octal := node.Tag == "!!int" && !decimal().MatchString(node.Value)
		if octal || !size().MatchString(node.Value) {
			return wrong()
		}
	} else if node.Tag != "!!str" && node.Tag != "!!timestamp" {
		return wrong() // a number without a unit
	}
	text, err := json.Marshal(node.Value)
	if err == nil {
		err = json.Unmarshal(text, reflect.New(t).Interface())
	}
	if err != nil {
		return wrong()
	}
	return node.Value, true
}
