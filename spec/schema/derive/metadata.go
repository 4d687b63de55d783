package derive

// metadata is the schema of an object's metadata, which an API server adds by
// itself: what manifests say, and what kubectl prints besides.
var metadata = map[string]any{
	"type":        "object",
	"description": "What the object is called, and what else is kept with it: a name, labels and annotations.",
	"properties": map[string]any{
		"name": map[string]any{
			"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
			"description": "name tells the objects of a kind apart: lower-case letters, digits and dashes, with a letter or digit first and last.",
		},
		"labels": map[string]any{
			"type":                 []any{"object", "null"},
			"description":          "labels are names and values to select objects by: coppice get sessions -l team=a.",
			"additionalProperties": map[string]any{"type": "string", "maxLength": 63, "pattern": "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"},
		},
		"annotations": map[string]any{
			"type":                 []any{"object", "null"},
			"description":          "annotations are names and values for programs to read. Whenever coppice.dev/reconcile-at of a session changes, the session is looked at right away.",
			"additionalProperties": map[string]any{"type": "string"},
		},
		"generateName": printed("string"), "selfLink": printed("string"), "uid": printed("string"),
		"resourceVersion": printed("string"), "generation": printed("integer"),
		"creationTimestamp": printed("string"), "deletionTimestamp": printed("string"),
		"deletionGracePeriodSeconds": printed("integer"),
		"ownerReferences":            printed("array"), "finalizers": printed("array"), "managedFields": printed("array"),
	},
	"required":             []any{"name"},
	"additionalProperties": false,
}

// printed is the schema of a field that an API server fills.
func printed(kind string) map[string]any {
	return map[string]any{"type": []any{kind, "null"}, "readOnly": true, "description": "Filled by an API server; of no meaning here."}
}
