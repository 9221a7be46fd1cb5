"""Mixtures with their data, by name (`pretrain.mixture_samples`)."""
