"""Mixtures that ship: tables, data and what is asked of it (`pretrain.mixture_samples`)."""
