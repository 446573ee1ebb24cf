package dev.mobilevit.demo

import android.content.Context
import android.net.Uri
import dev.mobilevit.demo.core.Classifier
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.ModelMetadata
import dev.mobilevit.demo.core.Problem
import java.io.File
import java.nio.ByteBuffer

/** The model in use: the bundled one, or the last that the user opened. */
class ModelStore(private val context: Context) {
    private val opened = File(context.filesDir, "model.tflite")
    private val candidate = File(context.filesDir, "candidate.tflite")

    /** True where the bundled model is not the one in use. */
    val hasOpened: Boolean get() = opened.exists()

    /** The bytes of the model in use, mapped. */
    fun map(): ByteBuffer = if (hasOpened) FileMapping.map(opened) else FileMapping.map(context.assets.openFd(BUNDLED))

    /** Takes a copy of [uri], tries it where a crash hurts nobody, and makes it the model in use. */
    fun install(uri: Uri): Classifier {
        try {
            PhotoStore.copy(context, uri, candidate, LARGEST_MODEL)
            val data = FileMapping.map(candidate)
            ModelMetadata.read(data)
            ProbeProvider.probe(context, candidate)
            val classifier = Classifier(data)
            if (!candidate.renameTo(opened)) {
                classifier.close()
                throw DemoException(Problem.UNREADABLE)
            }
            return classifier
        } finally {
            candidate.delete()
        }
    }

    /** Back to the bundled model. */
    fun forget() {
        opened.delete()
    }

    companion object {
        const val BUNDLED = "model.tflite"
        private const val LARGEST_MODEL = 256L shl 20
    }
}
