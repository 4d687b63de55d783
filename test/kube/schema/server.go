// Package schema holds the generated schemas against those who read them: the code
// of the Kubernetes API server, and kubeconform. It is a module of its own, so that
// what they need never mixes with what Coppice needs.
package schema

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"coppice.dev/spec/schema"
)

// server checks objects of one kind as an API server does that was given its
// CustomResourceDefinition, strict about fields that it does not know.
type server struct {
	shape  *structural.Structural
	basic  validation.SchemaValidator
	rules  *cel.Validator
	kind   string
	plural string
}

// newServer reads a kind's definition. The error is the API server's, if it would
// not take it.
func newServer(kind string) (*server, error) {
	var text apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(schema.CRD(kind), &text); err != nil {
		return nil, fmt.Errorf("read definition of %s: %w", kind, err)
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(&text)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&text.Spec)
	var crd apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&text, &crd, nil); err != nil {
		return nil, fmt.Errorf("convert definition of %s: %w", kind, err)
	}
	crd.Status.StoredVersions = []string{schema.Version}
	if errs := crdvalidation.ValidateCustomResourceDefinition(context.Background(), &crd); len(errs) > 0 {
		return nil, fmt.Errorf("definition of %s: %w", kind, errs.ToAggregate())
	}
	props := crd.Spec.Validation
	if props == nil {
		props = crd.Spec.Versions[0].Schema
	}
	shape, err := structural.NewStructural(props.OpenAPIV3Schema)
	if err != nil {
		return nil, fmt.Errorf("definition of %s: %w", kind, err)
	}
	if errs := structural.ValidateStructural(nil, shape); len(errs) > 0 {
		return nil, fmt.Errorf("definition of %s: %w", kind, errs.ToAggregate())
	}
	basic, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
	if err != nil {
		return nil, fmt.Errorf("definition of %s: %w", kind, err)
	}
	return &server{
		shape: shape, basic: basic, kind: kind, plural: crd.Spec.Names.Plural,
		rules: cel.NewValidator(shape, true, celconfig.PerCallLimit),
	}, nil
}

// check returns what an API server finds wrong with an object. It may change it.
func (s *server) check(object map[string]any) []string {
	var found []string
	options := structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	for _, path := range pruning.PruneWithOptions(object, s.shape, true, options) {
		found = append(found, "unknown field "+path)
	}
	errs := validation.ValidateCustomResource(nil, object, s.basic)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, s.shape, object)...)
	if len(errs) == 0 { // rules are only tried on what has the right shape
		more, _ := s.rules.Validate(context.Background(), nil, s.shape, object, nil, celconfig.RuntimeCELCostBudget)
		errs = append(errs, more...)
	}
	for _, e := range errs {
		found = append(found, e.Error())
	}
	slices.Sort(found)
	return found
}
