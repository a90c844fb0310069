//! Revenant.
