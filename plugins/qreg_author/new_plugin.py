"""``qreg new-plugin NAME``: placeholder until the scaffold is written."""
