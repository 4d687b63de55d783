//go:build !race

package crashtest

const thorough = true
