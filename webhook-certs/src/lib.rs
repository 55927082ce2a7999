//! Certificates for Kubernetes webhooks.
