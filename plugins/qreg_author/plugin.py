"""For people who write pipelines and plugins: show, schema, new-plugin."""

from qreg.hooks import hookimpl
from qreg.specs import CommandSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        CommandSpec(
            name="show",
            summary="show one entry: spec, documentation, source, file and line",
            configure="qreg_author.show:configure",
            run="qreg_author.show:run",
        ),
        CommandSpec(
            name="schema",
            summary="print the JSON Schema of pipelines",
            configure="qreg_author.schema_command:configure",
            run="qreg_author.schema_command:run",
        ),
        CommandSpec(
            name="new-plugin",
            summary="make a plugin package that installs, lists and passes its tests",
            configure="qreg_author.new_plugin:configure",
            run="qreg_author.new_plugin:run",
        ),
    )
