package quota

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"coppice.dev/reconcile/fault"
)

// The projects that sessions' layers are given. They lie far above those that people
// and other programs number from 1 or from 2^20 on, and close together: xfs keeps what
// it needs to count a project for ever.
const (
	first = 0x434f0000
	many  = 1 << 16
)

// ours reports whether a project is one that a layer can have.
func ours(project uint32) bool { return project-first < many }

// claim makes an empty folder one of a project that nobody else uses, and returns that.
//
// Nothing keeps two who choose at the same time from the same one, be they of this
// process or another controller's on the same file system. But each sees afterwards
// that there are two folders, and looks for another.
func (d *Driver) claim(folder *os.File) (uint32, error) {
	named, err := d.named()
	if err != nil {
		return 0, err
	}
	start := rand.Uint32N(d.many) //nolint:gosec // it is no secret
	for i := range d.many {
		project := first + (start+i)%d.many
		if named[project] {
			continue
		}
		if is, err := accountOf(folder, project); err != nil || !is.unused() {
			if err != nil {
				return 0, fmt.Errorf("look for a project that nobody uses: %w", err)
			}
			continue
		}
		if err := setProject(folder, project); err != nil {
			return 0, fmt.Errorf("make the folder one of project %d: %w", project, err)
		}
		if is, err := accountOf(folder, project); err != nil || is.Files == 1 && is.Limit == 0 {
			return project, err
		}
	}
	return 0, &fault.Fault{
		Reason: fault.NoResources, Doing: "look for a project that nobody uses", Err: fmt.Errorf("all of %d to %d are used", first, first+d.many-1),
		Hint: "see who uses them: xfs_quota -x -c 'report -p', repquota -P",
	}
}

// named are the projects that the administrator has a use for (projects(5), projid(5)).
func (d *Driver) named() (map[uint32]bool, error) {
	named := map[uint32]bool{}
	for _, list := range []struct {
		path  string
		field int // of a line, parted by colons, that holds the number
	}{{d.projects, 0}, {d.projid, 1}} {
		file, err := os.Open(list.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for projects of others: %w", err)
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			fields := strings.Split(lines.Text(), ":")
			if len(fields) <= list.field {
				continue
			}
			if n, err := strconv.ParseUint(strings.TrimSpace(fields[list.field]), 10, 32); err == nil {
				named[uint32(n)] = true
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("look for projects of others in %s: %w", list.path, err)
		}
	}
	return named, nil
}
