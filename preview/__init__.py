"""The desktop preview: a page on loopback that runs exported .tflite files. No TensorFlow in here."""
