<<<<<<< HEAD
"""Mixtures that ship: tables, data and what is asked of it (`pretrain.mixture_samples`)."""
=======
"""Mixtures with their data, by name (`pretrain.mixture_samples`)."""
>>>>>>> h5
