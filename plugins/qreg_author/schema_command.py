"""``qreg schema``: what pipelines may hold, for editors or for people."""

import argparse
import json

from qreg.catalogue import Catalogue
from qreg_author.reference import reference
from qreg_author.schema import pipeline_schema


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reference", action="store_true", help="the reference page as Markdown instead"
    )


def run(args: argparse.Namespace, catalogue: Catalogue) -> int:
    if args.reference:
        print(reference(catalogue), end="")
    else:
        print(json.dumps(pipeline_schema(catalogue), indent=2))
    return 0
