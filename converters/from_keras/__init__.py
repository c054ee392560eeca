"""Keras models in, .tflite files out, by the converters of LCE and TensorFlow Lite.

The only part of this room that imports TensorFlow; importing it raises EdgebnnError where the training extra is
missing. Models are loaded (:mod:`.loading`) and traced (:mod:`.tracing`) in the process that asks; the converters run
in a process of their own (:mod:`edgebnn.converters.converter_process`), of which ``__main__`` is the program.
"""

from .calls import input_shapes, inputs
from .conversion import convert, has_fake_quantization, quantize, to_graph
from .loading import load_model

__all__ = ["convert", "has_fake_quantization", "input_shapes", "inputs", "load_model", "quantize", "to_graph"]
