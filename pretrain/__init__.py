"""Training: sources of data become examples, examples become batches, batches train the model.

Imports no simulator, no gymnasium and no ray: a training node has none of them.
"""
