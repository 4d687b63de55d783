package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/validation"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/holders"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/object"
)

// Namespaces drives object.Namespace.
type Namespaces struct{ *Room }

// Owners implements driver.Finder. A folder with something else in it, and no pin,
// is not ours.
func (d Namespaces) Owners(context.Context) ([]object.Owner, error) {
	entries, err := os.ReadDir(d.layout.Pins())
	if err != nil {
		return nil, fmt.Errorf("look for pins: %w", err)
	}
	var owners []object.Owner
	for _, e := range entries {
		if !e.IsDir() || len(validation.IsDNS1123Label(e.Name())) > 0 {
			continue
		}
		pins, bare, err := d.pinFolder(e.Name())
		if err != nil {
			return owners, err
		}
		if bare || len(pins) > 0 {
			owners = append(owners, object.SessionOwner(e.Name()))
		}
	}
	return owners, nil
}

// Observe implements driver.Driver. A file that no namespace is bound to is the
// rest of a pin that was never made, or of a machine that went down: it says
// that its owner was here, but it is no namespace.
func (d Namespaces) Observe(_ context.Context, owner object.Owner, _ []object.Object) ([]object.Observed, error) {
	pins, bare, err := d.pinFolder(owner.Name)
	if err != nil {
		return nil, err
	}
	seen := object.Observed{ID: namespaceID(owner), Kind: object.KindNamespace}
	if bare {
		seen.Name, seen.Damage = d.layout.PinFolder(owner.Name), "it has no pin"
	}
	for _, p := range pins {
		switch {
		case seen.Name == "" || !p.live && seen.Damage == "":
			seen.Name, seen.Print = p.path, p.print
			if !p.live {
				seen.Damage = "its pin holds no namespace"
			}
		default:
			seen.Damage = "it has more than one pin"
		}
	}
	if seen.Name == "" {
		return nil, nil
	}
	return []object.Observed{seen}, nil
}

// Create implements driver.Driver.
func (d Namespaces) Create(_ context.Context, o object.Object, contents []object.Object) error {
	spec := o.Spec.(object.Namespace)
	if err := d.clearPins(o.Owner.Name); err != nil {
		return err
	}
	if spec.Upper != "" {
		if err := upperIsFree(spec); err != nil {
			return err
		}
	}
	return d.build(o.Owner.Name, spec, contents)
}

// clearPins removes pins without a namespace, and refuses if there is one with.
func (d Namespaces) clearPins(session string) error {
	pins, err := d.pins(session)
	if err != nil {
		return err
	}
	for _, p := range pins {
		if p.live {
			return fmt.Errorf("make namespace of session %s: it has one: %w", session, unix.EEXIST)
		}
		if err := p.drop(); err != nil {
			return err
		}
	}
	return nil
}

// upperIsFree refuses an upper that a live overlay still writes to. A namespace
// lives on without its pin while processes are in it, and the kernel mounts the
// same upper twice with no more than a warning in its log.
func upperIsFree(spec object.Namespace) error {
	if used, err := os.ReadDir(filepath.Join(spec.Work, "work")); err != nil || len(used) == 0 {
		if _, err := os.Lstat(filepath.Join(spec.Work, "work")); errors.Is(err, os.ErrNotExist) {
			return nil // never mounted
		}
	}
	inUse := func(table []*mounttable.Entry) bool {
		for _, e := range table {
			if upper, ok := mounttable.Option(e, "upperdir"); ok && e.FSType == "overlay" && upper == spec.Upper {
				return true
			}
		}
		return false
	}
	host, err := mounttable.Host()
	if err != nil {
		return err
	}
	holding := []object.Process(nil)
	asked := map[uint64]bool{}
	for _, pid := range holders.Pids() {
		path := fmt.Sprintf("/proc/%d/ns/mnt", pid)
		var st unix.Stat_t
		if unix.Stat(path, &st) != nil || asked[st.Ino] {
			continue // gone meanwhile, or known
		}
		asked[st.Ino] = true
		namespace, err := os.Open(path)
		if err != nil {
			continue
		}
		var table []*mounttable.Entry
		err = enter.Do(namespace, func(t enter.Thread) (err error) {
			table, err = mounttable.Inside(t)
			return err
		})
		namespace.Close()
		if err == nil && inUse(table) {
			holding = append(holding, holders.InNamespace(st.Ino)...)
		}
	}
	if len(holding) == 0 && !inUse(host) {
		return nil
	}
	return &fault.Fault{
		Reason: fault.Busy, Doing: "mount the session's overlay", Holders: holding,
		Err:  errors.New("an earlier mount of its upper is still in use"),
		Hint: "end these processes, or wait for them",
	}
}

// Amend implements driver.Driver; nothing of a namespace can be changed in place.
func (d Namespaces) Amend(context.Context, object.Object) error { return nil }

// Destroy implements driver.Driver. It refuses while processes are inside: they
// would keep the namespace, and its upper, where nobody could find them.
func (d Namespaces) Destroy(_ context.Context, seen object.Observed) error {
	pins, err := d.pins(seen.Owner.Name)
	if err != nil {
		return err
	}
	for _, p := range pins {
		if p.live {
			if err := p.unused(); err != nil {
				return err
			}
		}
		if err := p.drop(); err != nil {
			return err
		}
	}
	return d.removePinFolder(seen.Owner.Name)
}

// unused fails with the names of those inside the pinned namespace.
func (p pin) unused() error {
	var st unix.Stat_t
	if err := unix.Stat(p.path, &st); err != nil {
		return fmt.Errorf("look at pin %s: %w", p.path, err)
	}
	if inside := holders.InNamespace(st.Ino); len(inside) > 0 {
		return &fault.Fault{
			Reason: fault.Busy, Doing: "end mount namespace of session " + p.session, Holders: inside,
			Err: errors.New("processes are inside"), Hint: "end them, or wait for them",
		}
	}
	return nil
}

func namespaceID(owner object.Owner) object.ID {
	return object.ID{Owner: owner, Address: object.At(object.GroupRoot, "namespace")}
}
