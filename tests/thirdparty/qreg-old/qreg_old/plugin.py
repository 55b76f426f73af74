from qreg.hooks import hookimpl

QREG_API = 0


@hookimpl
def qreg_specs() -> tuple[object, ...]:
    return ()
