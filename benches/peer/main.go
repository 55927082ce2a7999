// The peer of the webhook benchmark: the smallest validating webhook on controller-runtime, which is what upstream KMM
// serves admission with, and the same shape of rule. It serves until it is killed.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// Preflight is as much of a PreflightValidationOCP as the rule looks at.
type Preflight struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              Spec `json:"spec"`
}

// Spec is the question of a preflight.
type Spec struct {
	KernelVersion  string `json:"kernelVersion"`
	DTKImage       string `json:"dtkImage,omitempty"`
	PushBuiltImage *bool  `json:"pushBuiltImage,omitempty"`
}

// DeepCopyObject makes Preflight a runtime.Object.
func (p *Preflight) DeepCopyObject() runtime.Object {
	copied := *p
	p.ObjectMeta.DeepCopyInto(&copied.ObjectMeta)
	return &copied
}

// The shape of a kernel release, and no more: three numbers, then what real releases are made of.
var release = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z._+~:-]*$`)

type rule struct{}

func (rule) ValidateCreate(_ context.Context, p *Preflight) (admission.Warnings, error) {
	if p.Spec.KernelVersion == "" {
		return nil, errors.New("kernelVersion cannot be empty")
	}
	if !release.MatchString(p.Spec.KernelVersion) {
		return nil, errors.New("invalid kernelVersion " + p.Spec.KernelVersion)
	}
	return nil, nil
}

func (r rule) ValidateUpdate(ctx context.Context, _, p *Preflight) (admission.Warnings, error) {
	return r.ValidateCreate(ctx, p)
}

func (rule) ValidateDelete(context.Context, *Preflight) (admission.Warnings, error) {
	return nil, nil
}

func main() {
	port := flag.Int("port", 0, "port to serve on")
	certificates := flag.String("cert-dir", "", "folder with tls.crt and tls.key")
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.WriteTo(os.Stderr)))

	scheme := runtime.NewScheme()
	group := schema.GroupVersion{Group: "kmm.sigs.x-k8s.io", Version: "v1beta2"}
	scheme.AddKnownTypeWithName(group.WithKind("PreflightValidationOCP"), &Preflight{})

	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: *port, CertDir: *certificates})
	server.Register("/validate/preflightvalidationocp", admission.WithValidator(scheme, rule{}))
	if err := server.Start(ctrl.SetupSignalHandler()); err != nil {
		log.Fatal(err)
	}
}
