"""Weights that learn their own pruning and bit-width: the dead-zone quantiser of CoDeQ."""
