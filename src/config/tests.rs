//! Whole files: the contract's examples, and planted faults with the exact text they are named by.
