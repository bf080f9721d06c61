"""What the API server refuses, or warns of, before anything is kept: all that the rules of a CRD cannot see."""
