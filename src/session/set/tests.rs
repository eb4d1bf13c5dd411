//! Tests of the component without its owner.
