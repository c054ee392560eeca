"""MLPerf Tiny's weights in our ResNet-8: the same network, but for what is padded with at the images' edges."""

from __future__ import annotations

import numpy as np

import edgebnn
from edgebnn._tensorflow import keras, tf
from edgebnn.preprocessing import preprocess
from tests.support.data import data_file
from tools.experiments.microcontroller_networks import FLOAT_FILE, mlperf_network


def test_the_network_of_the_file_is_in_the_keras_model() -> None:
    file = data_file(f"mlperf_tiny/{FLOAT_FILE}")
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3)).astype(np.uint8).repeat(4, 1).repeat(4, 2)
    model = mlperf_network(file, images)
    black = np.pad(preprocess(images), ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-1)
    stem = tf.nn.conv2d(black, model.get_layer("stem_conv").get_weights()[0], 1, "VALID")
    logits = keras.Model(model.get_layer("stem_bn").input, model.output)(stem)
    expected = edgebnn.load(str(file))(images.astype(np.float32))
    np.testing.assert_allclose(tf.nn.softmax(logits), expected, atol=1e-4)
    seen = keras.Model(model.inputs, model.get_layer("stage2_block1_bn1").input)(preprocess(images)).numpy()
    norm = model.get_layer("stage2_block1_bn1")
    np.testing.assert_allclose(norm.moving_mean, seen.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-3)
