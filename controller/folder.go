package controller

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/manifests"
	"coppice.dev/status"
)

// reasonRead is the reason of a watched folder of which all is known, reasonSynced of
// the event that another commit was found in it.
const (
	reasonRead   = "Read"
	reasonSynced = "Synced"
)

// folder takes one pass over a watched folder: it tells what was found there, so that
// whoever put manifests into it sees that, and which commit, the daemon goes by.
func (c *Controller) folder(path string) {
	set, _ := c.manifestsNow()
	k := key{classFolder, path}
	sum, watched := set.Summary(path)
	if !watched {
		c.forget(k)
		return
	}
	report := c.reports.of(k)
	report.tell(func(f *status.File) {
		v := folderVerdict(sum)
		before := f.Status.Folder
		now := found(sum, before, time.Now())
		if before == nil || *before != now {
			renew(f)
		}
		// What is wrong is told of each manifest that it is wrong with.
		if now.Revision != "" && (before == nil || before.Revision != now.Revision) {
			report.happened(status.EventNormal, reasonSynced, fmt.Sprintf("commit %s is checked out: %s", now.Revision, v.Note.Message))
		}
		f.Status.Folder, f.Status.Source = &now, &status.Source{Manifest: path, Revision: now.Revision}
		status.Judge(&f.Status, f.Metadata.Generation, time.Now(), v)
	})
}

// found is what is told of a folder; before is what was told last.
func found(sum manifests.Summary, before *status.Folder, now time.Time) status.Folder {
	f := status.Folder{
		Manifests: sum.Files, Objects: sum.Objects, Refused: sum.Refused, Revision: sum.Revision,
		Recursive: sum.Folder.Recursive, Ephemeral: sum.Folder.Ephemeral, Polled: sum.Polled,
	}
	switch {
	case f.Revision == "":
	case before != nil && before.Revision == f.Revision:
		f.RevisionSince = before.RevisionSince
	default:
		f.RevisionSince = &metav1.Time{Time: now}
	}
	return f
}

func folderVerdict(sum manifests.Summary) status.Verdict {
	holds := fmt.Sprintf("%s in %s", many(sum.Objects, "object"), many(sum.Files, "manifest"))
	bad := func(note status.Note) status.Verdict {
		return status.Verdict{Ready: metav1.ConditionFalse, Note: note, Stalled: &note}
	}
	switch {
	case sum.Problem != "":
		return bad(status.Note{Reason: reasonManifestUnknown, Message: sum.Problem + "; what it held stays as it was: " + holds})
	case len(sum.Troubled) > 0:
		return bad(status.Note{Reason: reasonInvalidManifest, Message: fmt.Sprintf("%s, of which %d cannot be used: %s; coppice get manifests says why",
			holds, len(sum.Troubled), first(sum.Troubled))})
	case sum.Refused > 0:
		return bad(status.Note{Reason: reasonInvalidManifest, Message: fmt.Sprintf("%s; %s cannot be had as written", holds, many(sum.Refused, "object"))})
	}
	return status.Verdict{Ready: metav1.ConditionTrue, Note: status.Note{Reason: reasonRead, Message: holds}}
}

// first names the first of some paths.
func first(paths []string) string {
	const most = 3
	if len(paths) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(paths[:most], ", "), len(paths)-most)
	}
	return strings.Join(paths, ", ")
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
