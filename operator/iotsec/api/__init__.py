"""What users write: the kinds of group iotsec.dev, as values and as CustomResourceDefinitions.

Pure: nothing here waits, reads a clock or talks to a cluster. Import from the modules; this package re-exports nothing.
"""
