"""Checks a model repository with the standard library only: in the serving container, by triton.sh.

python3 deploy/verify.py model_repository --digest 05c9...
"""

import argparse
import sys
from pathlib import Path
from types import ModuleType

# `tuft.provenance` needs only the standard library, but `import tuft` would import the whole client.
tuft = ModuleType("tuft")
tuft.__path__ = [str(Path(__file__).resolve().parents[1] / "client" / "tuft")]
sys.modules["tuft"] = tuft

from tuft.errors import SetupError  # noqa: E402
from tuft.provenance import check_repository, report, require_digest  # noqa: E402


def main() -> int:
    """Runs the command.

    Returns:
        The exit code: 0, or 1 with one sentence on standard error.
    """
    parser = argparse.ArgumentParser(description="Check every file of a model repository.")
    parser.add_argument("repository", type=Path)
    parser.add_argument("--digest", help="the repository's digest, as printed; another one is refused, as is none")
    options = parser.parse_args()
    try:
        records = check_repository(options.repository)
        if options.digest == "":
            raise SetupError("The digest is empty: pin one, on Kubernetes with deploy/kubernetes/pin.sh.")
        if options.digest is not None:
            require_digest(records, options.digest)
    except (SetupError, OSError) as exc:
        print(f"verify: {exc}", file=sys.stderr)
        return 1
    print(report(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
