"""Cut out one photograph: python examples/simple.py dog.jpg dog.png."""

import sys

from tuft import Client

photo, output = sys.argv[1:]
with Client() as client:
    client.remove(photo).save(output)
