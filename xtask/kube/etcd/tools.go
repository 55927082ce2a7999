//go:build tools

// Package tools names the program of etcd that `build` makes, so that go.sum knows what it needs.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
)
