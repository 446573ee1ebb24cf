package dev.mobilevit.demo.core

import java.io.Closeable
import java.nio.ByteBuffer

/** Scores by class, in [0, 1], and the time of the inference alone. */
class Scores(val values: FloatArray, val milliseconds: Double)

/**
 * An exported .tflite in the TensorFlow Lite runtime. One thread at a time is served, the others wait.
 *
 * @param model the file's bytes, direct or memory-mapped; they must stay as they are while this lives.
 * @throws DemoException with what is wrong with the file.
 */
class Classifier(model: ByteBuffer, threads: Int = DEFAULT_THREADS, xnnpack: Boolean = true) : Closeable {
    val metadata = ModelMetadata.read(model)
    private val interpreter = NativeInterpreter(model, threads, xnnpack)

    /** Steps of one inference, see [NativeInterpreter.steps]. */
    val steps: Int get() = interpreter.steps

    init {
        val spec = metadata.spec
        val fits = interpreter.input.shape == listOf(1, spec.height, spec.width, CHANNELS) &&
            interpreter.output.shape == listOf(1, metadata.labels.size)
        if (!fits) {
            interpreter.close()
            throw DemoException(Problem.MODEL_MISMATCH)
        }
    }

    /**
     * Runs the model on [ImageSpec.modelInput]'s bytes.
     *
     * @throws IllegalStateException after [close].
     */
    fun run(pixels: ByteArray): Scores {
        require(pixels.size == metadata.spec.height * metadata.spec.width * CHANNELS) { "${pixels.size} bytes" }
        val values = FloatArray(metadata.labels.size)
        val milliseconds = interpreter.run({ write(pixels, it) }, { read(it, values) })
        if (values.any { it.isNaN() }) throw DemoException(Problem.DAMAGED_MODEL)
        return Scores(values, milliseconds)
    }

    /** One run on black: the first of a model takes longer, and is no measure of it. */
    fun warmUp() {
        run(ByteArray(metadata.spec.height * metadata.spec.width * CHANNELS))
    }

    override fun close() = interpreter.close()

    private fun write(pixels: ByteArray, input: ByteBuffer) = when (interpreter.input.element) {
        Element.UINT8 -> input.put(pixels)
        Element.FLOAT32 -> metadata.spec.normalize(pixels, input.asFloatBuffer())
    }

    private fun read(output: ByteBuffer, values: FloatArray) {
        val end = interpreter.output
        for (index in values.indices) {
            values[index] = when (end.element) {
                Element.FLOAT32 -> output.getFloat(Element.FLOAT32.bytes * index)
                Element.UINT8 -> ((output.get(index).toInt() and 0xFF) - end.zeroPoint) * end.scale
            }
        }
    }

    companion object {
        const val DEFAULT_THREADS = 2
        private const val CHANNELS = 3
    }
}
