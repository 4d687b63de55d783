package fault

// Source wraps an error of opening something that a manifest names and that is
// there. What the machine lacks at the moment is no fault of the source.
func Source(doing string, err error) error {
	f := remedy(err)
	if f == nil {
		f = &Fault{Reason: SourceUnusable, Hint: "check the path in the manifest, and that root may read what is there", Err: err}
	}
	f.Doing = doing
	return f
}
