package controller

import "coppice.dev/status"

// The reasons of conditions and events that are not a fault's.
const (
	reasonConverged        = "Converged"
	reasonValid            = "Valid"
	reasonSlow             = "Slow"
	reasonNew              = status.ReasonNew
	reasonSpecChanged      = "SpecChanged"
	reasonRepairing        = "Repairing"
	reasonProvisioning     = "Provisioning"
	reasonWaitingForBase   = "WaitingForBase"
	reasonInvalidManifest  = "InvalidManifest"
	reasonManifestUnknown  = "ManifestUnavailable"
	reasonAdmitted         = "Admitted"
	reasonCreated          = "Created"
	reasonRepaired         = "Repaired"
	reasonChanged          = "Changed"
	reasonRetained         = "Retained"
	reasonResumed          = "Resumed"
	reasonSaved            = "Saved"
	reasonTerminating      = "Terminating"
	reasonSwept            = "Swept"
	reasonRecreating       = "Recreating"
	reasonRecreateRequired = "RecreateRequired"
	reasonUpToDate         = "Current"
	reasonRecordLost       = "RecordLost"
	reasonConflict         = "Conflict"
	reasonInUse            = "InUse"
	reasonOverdue          = "Overdue"
	reasonManifestGone     = "ManifestGone"
	reasonDeletionHeld     = status.ReasonDeletionHeld
)
