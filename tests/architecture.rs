//! The import rules of ARCHITECTURE.md, held from the manifests.
