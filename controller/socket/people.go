package socket

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Account is a user of the host.
type Account struct {
	UID, GID int
	Name     string
	Home     string
	// Shell is their login shell; "" if none is known.
	Shell string
	// Groups are the supplementary groups.
	Groups []int
}

// ErrNobody says that the host knows no such user or group.
var ErrNobody = errors.New("the host knows no such user")

// People looks people up.
type People interface {
	// ByID and ByName return a user's account; ErrNobody if there is none.
	ByID(ctx context.Context, uid int) (Account, error)
	ByName(ctx context.Context, name string) (Account, error)
	// GroupName returns a group's name; "" if the host knows none.
	GroupName(ctx context.Context, gid int) string
}

// Getent looks people up with getent(1), which asks all that the host is
// configured to ask (nsswitch.conf(5)); this program has no such library.
type Getent struct{}

// asking is how long a directory service may take to answer.
const asking = 10 * time.Second

// notFound is getent's exit code for a key that is in no database.
const notFound = 2

// ByID implements People.
func (g Getent) ByID(ctx context.Context, uid int) (Account, error) {
	return g.account(ctx, strconv.Itoa(uid))
}

// ByName implements People. A number is no name: getent would take it for one's.
func (g Getent) ByName(ctx context.Context, name string) (Account, error) {
	if _, err := strconv.Atoi(name); err == nil || name == "" || strings.HasPrefix(name, "-") {
		return Account{}, fmt.Errorf("user %q: %w", name, ErrNobody)
	}
	return g.account(ctx, name)
}

func (g Getent) account(ctx context.Context, key string) (Account, error) {
	fields, err := lookUp(ctx, "passwd", key)
	if err != nil {
		return Account{}, fmt.Errorf("user %s: %w", key, err)
	}
	if len(fields) < 6 {
		return Account{}, fmt.Errorf("user %s: getent gave %d fields", key, len(fields))
	}
	a := Account{Name: fields[0], Home: fields[5]}
	if len(fields) > 6 {
		a.Shell = fields[6]
	}
	if a.UID, err = strconv.Atoi(fields[2]); err == nil {
		a.GID, err = strconv.Atoi(fields[3])
	}
	if err != nil {
		return Account{}, fmt.Errorf("user %s: %w", key, err)
	}
	a.Groups, err = groupsByName(ctx, a.Name)
	return a, err
}

// GroupName implements People.
func (Getent) GroupName(ctx context.Context, gid int) string {
	fields, err := lookUp(ctx, "group", strconv.Itoa(gid))
	if err != nil || len(fields) == 0 {
		return ""
	}
	return fields[0]
}

// groupsByName returns the supplementary groups of a user: "alice 1000 27".
func groupsByName(ctx context.Context, name string) ([]int, error) {
	text, err := getent(ctx, "initgroups", name)
	if err != nil {
		return nil, fmt.Errorf("groups of user %s: %w", name, err)
	}
	var groups []int
	for _, word := range strings.Fields(text)[min(1, len(strings.Fields(text))):] {
		gid, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("groups of user %s: %w", name, err)
		}
		groups = append(groups, gid)
	}
	slices.Sort(groups)
	return slices.Compact(groups), nil
}

// lookUp returns the fields of an entry.
func lookUp(ctx context.Context, database, key string) ([]string, error) {
	text, err := getent(ctx, database, key)
	if err != nil {
		return nil, err
	}
	line, _, _ := strings.Cut(text, "\n")
	return strings.Split(line, ":"), nil
}

func getent(ctx context.Context, database, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	text, err := exec.CommandContext(ctx, "getent", database, key).Output()
	if failed, is := errors.AsType[*exec.ExitError](err); is && failed.ExitCode() == notFound {
		return "", ErrNobody
	}
	if err != nil {
		return "", fmt.Errorf("ask getent %s %s: %w", database, key, err)
	}
	return string(text), nil
}
