//! What Tidings' tests share: links with faults, and time that only moves when told to.
