"""Classify every picture of a folder: python folder.py MODEL.tflite FOLDER"""

import sys
from pathlib import Path

import edgebnn

model = edgebnn.load(sys.argv[1], num_threads=2)
pictures = sorted(path for path in Path(sys.argv[2]).iterdir() if path.suffix in (".jpg", ".png"))
for path, (best, *_) in zip(pictures, model.classify_all(pictures), strict=True):
    print(f"{path.name}: {best.label} {best.score:.3f}")
