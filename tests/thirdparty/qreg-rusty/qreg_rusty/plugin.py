import qreg_nonexistent_dependency  # noqa: F401  not there on purpose
