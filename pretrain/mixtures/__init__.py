"""Tables of mixtures that ship: `pretrain.mixture_table.read_table`."""
