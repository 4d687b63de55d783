package built

import (
	"os"
	"strconv"
	"time"
)

// Slowness is by how much longer than elsewhere tests wait before they give up, as
// the virtual machine of test/vm sets it when its processor is an emulated one.
const Slowness = "COPPICE_TEST_SLOWNESS"

// Moment returns how long a test is to wait at most for what takes no time worth
// speaking of: that long, on a machine of usual speed.
func Moment(usual time.Duration) time.Duration {
	if n, err := strconv.Atoi(os.Getenv(Slowness)); err == nil && n > 1 {
		return usual * time.Duration(n)
	}
	return usual
}
