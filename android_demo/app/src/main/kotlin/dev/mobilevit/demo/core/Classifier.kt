package dev.mobilevit.demo.core

import java.io.Closeable
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.Tensor

/** Scores by class, in [0, 1], and the time of the inference alone. */
class Scores(val values: FloatArray, val milliseconds: Double)

/**
 * An exported .tflite in the TensorFlow Lite runtime. One instance serves one thread at a time.
 *
 * @param model the file's bytes, direct or memory-mapped; they must stay as they are while this lives.
 * @throws DemoException with what is wrong with the file.
 */
class Classifier(model: ByteBuffer, threads: Int = DEFAULT_THREADS, xnnpack: Boolean = true) : Closeable {
    val metadata = ModelMetadata.read(model)
    private val interpreter = open(model, threads, xnnpack)
    private val input: ByteBuffer
    private val output: ByteBuffer
    private val takesBytes: Boolean

    init {
        try {
            val (inputTensor, outputTensor) = tensors()
            takesBytes = inputTensor.dataType() == DataType.UINT8
            input = direct(inputTensor.numBytes())
            output = direct(outputTensor.numBytes())
        } catch (error: DemoException) {
            interpreter.close()
            throw error
        }
    }

    /** Runs the model on [ImageSpec.modelInput]'s bytes. */
    fun run(pixels: ByteArray): Scores {
        // Written and read through views: these buffers stay at their start.
        if (takesBytes) input.duplicate().put(pixels) else metadata.spec.normalize(pixels, input.asFloatBuffer())
        try {
            interpreter.run(input, output.duplicate())
        } catch (error: IllegalArgumentException) { // an op of the file failed inside the runtime
            throw DemoException(Problem.DAMAGED_MODEL, error)
        } catch (error: IllegalStateException) {
            throw DemoException(Problem.DAMAGED_MODEL, error)
        }
        return Scores(scores(), interpreter.lastNativeInferenceDurationNanoseconds / 1e6)
    }

    /** One run on black: the first of a model takes longer, and is no measure of it. */
    fun warmUp() {
        run(ByteArray(metadata.spec.height * metadata.spec.width * 3))
    }

    override fun close() = interpreter.close()

    private fun scores(): FloatArray {
        val tensor = interpreter.getOutputTensor(0)
        if (tensor.dataType() == DataType.FLOAT32) return FloatArray(metadata.labels.size) { output.getFloat(4 * it) }
        val quantization = tensor.quantizationParams()
        return FloatArray(metadata.labels.size) {
            ((output.get(it).toInt() and 0xFF) - quantization.zeroPoint) * quantization.scale
        }
    }

    private fun open(model: ByteBuffer, threads: Int, xnnpack: Boolean): Interpreter {
        try {
            val options = Interpreter.Options().setNumThreads(threads).setUseXNNPACK(xnnpack)
            val interpreter = Interpreter(model, options)
            try {
                interpreter.allocateTensors()
            } catch (error: IllegalStateException) {
                interpreter.close()
                throw error
            }
            return interpreter
        } catch (error: IllegalArgumentException) {
            throw DemoException(Problem.DAMAGED_MODEL, error)
        } catch (error: IllegalStateException) {
            throw DemoException(Problem.DAMAGED_MODEL, error)
        }
    }

    /** The input and the output, checked against what the file says of itself. */
    private fun tensors(): Pair<Tensor, Tensor> {
        val spec = metadata.spec
        val single = interpreter.inputTensorCount == 1 && interpreter.outputTensorCount == 1
        val known = setOf(DataType.UINT8, DataType.FLOAT32)
        val inputTensor = interpreter.getInputTensor(0)
        val outputTensor = interpreter.getOutputTensor(0)
        val fits = single && inputTensor.dataType() in known && outputTensor.dataType() in known &&
            inputTensor.shape().contentEquals(intArrayOf(1, spec.height, spec.width, 3)) &&
            outputTensor.shape().contentEquals(intArrayOf(1, metadata.labels.size))
        if (!fits) throw DemoException(Problem.MODEL_MISMATCH)
        return inputTensor to outputTensor
    }

    private fun direct(bytes: Int) = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())

    companion object {
        const val DEFAULT_THREADS = 2
    }
}
