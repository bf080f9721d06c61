"""The core: pure functions from (spec, what exists, now, entropy) to what should be."""
