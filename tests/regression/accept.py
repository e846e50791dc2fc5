"""Accepts the current mattes: writes the references and a report of the changes.

make accept-mattes
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from support import mattes
from support.server import empty_repository
from tqdm import tqdm

from tuft import Client
from tuft.serve import ServeOptions, running_server
from tuft_export.checkpoints import CHECKPOINTS
from tuft_export.publishing.publish import PublishOptions, publish


def main() -> None:
    exhibits = []
    with tempfile.TemporaryDirectory() as folder:
        repository = empty_repository(Path(folder))
        publish(CHECKPOINTS["demo"], PublishOptions(repository, sizes=(1024,)))
        options = ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)
        with running_server(options) as addresses, Client(addresses.grpc) as client:
            for subject in tqdm(mattes.SUBJECTS, unit="matte"):
                photo = subject.photo()
                matte = mattes.cut_out(client, photo)
                if subject.reference.exists():
                    exhibits.append(mattes.compare(subject, photo, matte))
                else:
                    exhibits.append(
                        mattes.exhibit(subject, mattes.at_compared_size(photo), np.zeros_like(matte), matte, {})
                    )
                subject.reference.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(matte).save(subject.reference, optimize=True)
    mattes.write_report(exhibits)
    changed = sum(one.status == "fail" for one in exhibits)
    print(f"{len(exhibits)} mattes accepted, {changed} of them beyond the limits: look at {mattes.REPORT}")


if __name__ == "__main__":
    main()
