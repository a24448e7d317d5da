"""Images in, batches out: sources -> prepare -> packed -> augment -> batches."""
