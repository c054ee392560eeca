"""``python -m tests.support.load_damaged SEED COUNT`` loads COUNT damaged copies of each of three models, and says what
becomes of them: "refused" or "loaded", a line each. What was in work when the process died is the last line."""

from __future__ import annotations

import sys

from edgebnn.errors import EdgebnnError
from edgebnn.runtime.model import load
from tests.support.hostile import mutations
from tests.support.topologies import lce_bytes

MODELS = (("residual_int8", False), ("packed_chain", False), ("uneven", True))


def main() -> None:
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    for name, int8 in MODELS:
        for number, content in enumerate(mutations(lce_bytes(name, int8), count, seed)):
            print(name, number, end=" ", flush=True)
            try:
                load(content)
            except EdgebnnError as error:
                text = str(error)
                assert text.startswith("model_content: "), text
                assert text.isprintable(), repr(text)
                print("refused", flush=True)
            else:
                print("loaded", flush=True)


if __name__ == "__main__":
    main()
