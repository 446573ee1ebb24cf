package dev.mobilevit.demo.core

import java.io.Closeable
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.bytedeco.javacpp.BytePointer
import org.bytedeco.javacpp.Pointer
import org.bytedeco.tensorflowlite.BuiltinOpResolver
import org.bytedeco.tensorflowlite.BuiltinOpResolverWithoutDefaultDelegates
import org.bytedeco.tensorflowlite.FlatBufferModel
import org.bytedeco.tensorflowlite.Interpreter
import org.bytedeco.tensorflowlite.InterpreterBuilder
import org.bytedeco.tensorflowlite.TfLiteTensor
import org.bytedeco.tensorflowlite.global.tensorflowlite

/** Element types that this project's models have at their ends. */
enum class Element(val bytes: Int) { UINT8(1), FLOAT32(4) }

/** One end of a model: what the file says of it. For UINT8 a value is `(byte - zeroPoint) * scale`. */
class End(val element: Element, val shape: List<Int>, val scale: Float, val zeroPoint: Int)

/**
 * TensorFlow Lite's C++ interpreter (JavaCPP's binding) behind Kotlin errors: C++ throws nothing and checks little, so
 * every return code, pointer and size is looked at here, and nothing runs after [close].
 *
 * @param model the file's bytes, direct or memory-mapped; they must stay as they are while this lives.
 * @throws DemoException DAMAGED_MODEL where the file cannot be run, MODEL_MISMATCH where it has not one input and one
 *   output of an [Element] type, NO_RUNTIME where the app's library does not load on this device.
 */
class NativeInterpreter(private val model: ByteBuffer, threads: Int, xnnpack: Boolean) : Closeable {
    private val pointers = ArrayDeque<Pointer>() // freed last in, first out
    private val interpreter = guarded { build(threads, xnnpack) }
    private val inputTensor = guarded { only(interpreter.inputs().limit()) { interpreter.input_tensor(0) } }
    private val outputTensor = guarded { only(interpreter.outputs().limit()) { interpreter.output_tensor(0) } }
    val input: End = guarded { endOf(inputTensor) }
    val output: End = guarded { endOf(outputTensor) }

    /** Steps of one inference: 1 for each group of operators that XNNPACK took, 1 for each other operator. */
    val steps: Int = guarded { interpreter.execution_plan().limit().toInt() }

    /**
     * One inference: [write] fills the input, [read] gets the output, both as views of the runtime's own memory in
     * native byte order that must not be kept.
     *
     * @return milliseconds of the inference alone.
     */
    @Synchronized
    fun run(write: (ByteBuffer) -> Unit, read: (ByteBuffer) -> Unit): Double {
        check(pointers.isNotEmpty()) { "the interpreter is closed" }
        write(memory(inputTensor, input))
        val start = System.nanoTime()
        mustSucceed(interpreter.Invoke())
        val milliseconds = (System.nanoTime() - start) / 1e6
        if (endOf(outputTensor).shape != output.shape) throw DemoException(Problem.DAMAGED_MODEL) // a dynamic shape
        read(memory(outputTensor, output))
        return milliseconds
    }

    @Synchronized
    override fun close() {
        while (pointers.isNotEmpty()) pointers.removeLast().close()
    }

    private fun build(threads: Int, xnnpack: Boolean): Interpreter {
        val bytes = keep(BytePointer(model.duplicate().apply { clear() }))
        val file: FlatBufferModel? = FlatBufferModel.VerifyAndBuildFromBuffer(bytes, model.capacity().toLong())
        if (file == null || file.isNull) throw DemoException(Problem.DAMAGED_MODEL)
        keep(file)
        val resolver = keep(if (xnnpack) BuiltinOpResolver() else BuiltinOpResolverWithoutDefaultDelegates())
        val built = Interpreter(null as Pointer?)
        InterpreterBuilder(file, resolver).use { builder ->
            mustSucceed(builder.SetNumThreads(threads))
            mustSucceed(builder.apply(built))
        }
        if (built.isNull) throw DemoException(Problem.DAMAGED_MODEL)
        keep(built)
        mustSucceed(built.AllocateTensors())
        return built
    }

    private fun only(count: Long, tensor: () -> TfLiteTensor?): TfLiteTensor {
        if (count != 1L) throw DemoException(Problem.MODEL_MISMATCH)
        return tensor() ?: throw DemoException(Problem.DAMAGED_MODEL)
    }

    private fun endOf(tensor: TfLiteTensor): End {
        val element = when (tensor.type()) {
            tensorflowlite.kTfLiteUInt8 -> Element.UINT8
            tensorflowlite.kTfLiteFloat32 -> Element.FLOAT32
            else -> throw DemoException(Problem.MODEL_MISMATCH)
        }
        val sides = tensor.dims() ?: throw DemoException(Problem.DAMAGED_MODEL)
        val shape = List(sides.size()) { sides.data(it) }
        return End(element, shape, tensor.params().scale(), tensor.params().zero_point())
    }

    /** The tensor's memory, which must have the size that [end] says: no more of it is ever touched. */
    private fun memory(tensor: TfLiteTensor, end: End): ByteBuffer {
        val size = end.shape.fold(end.element.bytes.toLong()) { product, side -> product * side }
        val data: BytePointer? = tensor.data().raw()
        if (data == null || data.isNull || size <= 0 || tensor.bytes() != size) {
            throw DemoException(Problem.DAMAGED_MODEL)
        }
        return data.capacity(size).asByteBuffer().order(ByteOrder.nativeOrder())
    }

    private fun mustSucceed(status: Int) {
        if (status != tensorflowlite.kTfLiteOk) throw DemoException(Problem.DAMAGED_MODEL)
    }

    private fun <P : Pointer> keep(pointer: P): P = pointer.also(pointers::addLast)

    /** Frees what has been made where [make] fails, and says what failed. */
    private fun <T> guarded(make: () -> T): T {
        try {
            return make()
        } catch (error: DemoException) {
            close()
            throw error
        } catch (error: RuntimeException) { // what the binding makes of a C++ exception, or of a null pointer
            close()
            throw DemoException(Problem.DAMAGED_MODEL, error)
        } catch (error: LinkageError) {
            throw DemoException(Problem.NO_RUNTIME, error)
        }
    }
}
