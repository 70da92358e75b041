//! The laws as a conformance suite.
