"""Classify the frames of a camera by OpenCV: python opencv_camera.py MODEL.tflite

Needs opencv-python-headless and a camera. Tried with a stand-in for the camera only.
"""

import sys

import cv2

import edgebnn

model = edgebnn.load(sys.argv[1])
camera = cv2.VideoCapture(0)
try:
    while True:
        there, frame = camera.read()
        if not there:
            break
        best = model.classify(frame[..., ::-1], top=1)[0]  # OpenCV's frames are BGR
        print(f"{best.label} {best.score:.3f}", flush=True)
finally:
    camera.release()
