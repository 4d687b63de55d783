package budget

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Share is a part of something: so many of it, or so many percent. It is a flag's value.
type Share struct {
	Number  int64
	Percent float64
}

// Of returns how much of a whole it is.
func (s Share) Of(whole int64) int64 {
	if s.Percent > 0 {
		return int64(s.Percent / 100 * float64(whole))
	}
	return s.Number
}

// String implements pflag.Value.
func (s *Share) String() string { return s.text() }

func (s Share) text() string {
	switch {
	case s.Percent > 0:
		return strconv.FormatFloat(s.Percent, 'g', -1, 64) + "%"
	case s.Number > 0:
		return resource.NewQuantity(s.Number, resource.BinarySI).String()
	}
	return "0"
}

// Format has fmt write it as String does.
func (s Share) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.text())) }

// Type implements pflag.Value.
func (*Share) Type() string { return "size" }

// Set implements pflag.Value.
func (s *Share) Set(text string) error {
	if number, is := strings.CutSuffix(text, "%"); is {
		percent, err := strconv.ParseFloat(number, 64)
		if err != nil || math.IsNaN(percent) || percent < 0 || percent >= 100 {
			return errors.New("want a percentage from 0% to less than 100%, such as 5%")
		}
		*s = Share{Percent: percent}
		return nil
	}
	q, err := resource.ParseQuantity(text)
	if err != nil || q.Sign() < 0 || q.CmpInt64(1<<60) > 0 {
		return errors.New("want a size such as 10Gi, a percentage such as 5%, or 0 for no limit")
	}
	*s = Share{Number: q.Value()}
	return nil
}

// Bytes writes a number of bytes for people.
func Bytes(n int64) string {
	const step = 1024
	value, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if value < step {
			break
		}
		value, unit = value/step, next
	}
	if unit == "B" || value >= 100 {
		return fmt.Sprintf("%.0f %s", value, unit)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
