"""Line numbers of keys in TOML."""

import tomllib

from qreg.lines import key_lines

DOCUMENT = '''\
top = 1 # comment with [brackets] = and "quotes"

[model]
source = "a = b # no comment"
"quoted key" . inner = """
[[step]]
not = "a key" """
shape = { x = [1, 3], y.z = 'lit]eral' }

[[step]]
use = "count"
list = [
    "a", # first
    [1,
     2],
    { deep = true },
]
[[step.rule]]
match = "x"
[[step.rule]]
match = "y"
[step.last]
k = 1979-05-27T07:32:00Z
[[step]]
use = "emit"
'''


def expected_line(text: str) -> int:
    """The one line that holds ``text``."""
    (line,) = [n for n, row in enumerate(DOCUMENT.splitlines(), 1) if text in row]
    return line


def test_every_key_and_element_is_found_on_its_line() -> None:
    lines = key_lines(DOCUMENT)

    assert lines[("top",)] == 1
    assert lines[("model", "source")] == expected_line("source =")
    assert lines[("model", "quoted key", "inner")] == expected_line("quoted key")
    assert lines[("model", "shape")] == expected_line("shape =")
    assert lines[("model", "shape", "x", 1)] == expected_line("shape =")
    assert lines[("model", "shape", "y", "z")] == expected_line("shape =")
    assert lines[("step", 0, "list", 0)] == expected_line("# first")
    assert lines[("step", 0, "list", 1, 1)] == expected_line("     2],")
    assert lines[("step", 0, "list", 2, "deep")] == expected_line("deep")
    assert lines[("step", 0, "rule", 0, "match")] == expected_line('match = "x"')
    assert lines[("step", 0, "rule", 1, "match")] == expected_line('match = "y"')
    assert lines[("step", 0, "last", "k")] == expected_line("1979")
    assert lines[("step", 1)] == expected_line('use = "emit"') - 1
    assert lines[("step", 1, "use")] == expected_line('use = "emit"')


def test_every_value_of_the_document_has_a_line() -> None:
    lines = key_lines(DOCUMENT)

    def walk(value: object, path: tuple[str | int, ...]) -> None:
        assert path == () or path in lines, path
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, (*path, key))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, (*path, index))

    document = tomllib.loads(DOCUMENT)
    # An array of tables itself stands nowhere; its tables do.
    for key, value in document.items():
        for index, inner in enumerate(value) if key == "step" else [(0, value)]:
            if key != "step":
                walk(inner, (key,))
            else:
                for name, part in inner.items():
                    if name != "rule":
                        walk(part, ("step", index, name))
