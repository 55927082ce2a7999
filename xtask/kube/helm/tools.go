//go:build tools

// Package tools names the program of helm that `build` makes, so that go.sum knows what it needs.
package tools

import (
	_ "helm.sh/helm/v3/cmd/helm"
)
