"""`python -m generator.maintenance.doctor`: the doctor where the environment says all, as in a container."""

import argparse
import sys

from backends.settings import load_settings
from generator.maintenance.doctor.command import DoctorOptions, run
from generator.settings import GeneratorSettings


def main() -> int:
    parser = argparse.ArgumentParser(prog="doctor", description="Find what is wrong with the stores, and mend it.")
    parser.add_argument("--dry-run", action="store_true", help="change nothing, only say what is wrong")
    parser.add_argument("--rerender", action="store_true", help="make documents whose bytes are lost once more")
    parser.add_argument("--json", dest="as_json", action="store_true", help="print the report as JSON")
    return run(load_settings(GeneratorSettings), DoctorOptions(**vars(parser.parse_args())))


if __name__ == "__main__":
    sys.exit(main())
