"""``qreg schema``: the JSON Schema of pipelines with what is installed here."""

import argparse
import json

from qreg.catalogue import Catalogue
from qreg_author.schema import pipeline_schema


def configure(parser: argparse.ArgumentParser) -> None:
    del parser  # no options


def run(args: argparse.Namespace, catalogue: Catalogue) -> int:
    del args
    print(json.dumps(pipeline_schema(catalogue), indent=2))
    return 0
