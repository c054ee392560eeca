"""Classify the frames of a Raspberry Pi's camera: python picamera2_stream.py MODEL.tflite

Needs Debian's python3-picamera2 and a camera. Tried with a stand-in for the camera only.
"""

import sys

from picamera2 import Picamera2

import edgebnn

model = edgebnn.load(sys.argv[1])
camera = Picamera2()
# what libcamera calls BGR888 lies in memory as red, green, blue
camera.configure(camera.create_video_configuration(main={"size": (320, 240), "format": "BGR888"}))
camera.start()
try:
    while True:
        best = model.classify(camera.capture_array(), top=1)[0]
        print(f"{best.label} {best.score:.3f}", flush=True)
except KeyboardInterrupt:
    pass
finally:
    camera.stop()
