package dev.mobilevit.demo

import android.content.Context
import android.net.Uri
import dev.mobilevit.demo.core.Classifier
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.ModelMetadata
import dev.mobilevit.demo.core.Problem
import java.io.File
import java.io.FileOutputStream
import java.nio.ByteBuffer

/** The model in use: the bundled one, or the last that the user opened. Touches files: for a worker's thread. */
class ModelStore(private val context: Context) {
    private val opened = File(context.filesDir, "model.tflite")
    private val candidate = File(context.filesDir, "candidate.tflite")

    /** Its length counts runs of the opened model that have begun and not ended: each took the process along. */
    private val marker = File(context.filesDir, "model.running")

    /** True where the bundled model is not the one in use. */
    val hasOpened: Boolean get() = opened.exists()

    /** The bytes of the model in use, mapped. */
    fun map(): ByteBuffer = if (hasOpened) FileMapping.map(opened) else FileMapping.map(context.assets.openFd(BUNDLED))

    /** Takes a copy of [uri], tries it where a crash hurts nobody, and makes it the model in use once it has run. */
    fun install(uri: Uri, threads: Int, patience: Patience): Classifier {
        try {
            PhotoStore.copy(context, uri, candidate, LARGEST_MODEL, patience)
            val data = FileMapping.map(candidate)
            ModelMetadata.read(data)
            ProbeProvider.probe(context, candidate)
            val classifier = Classifier(data, threads)
            try {
                classifier.warmUp()
                if (!candidate.renameTo(opened)) throw DemoException(Problem.UNREADABLE)
            } catch (error: DemoException) {
                classifier.close()
                throw error
            }
            return classifier
        } finally {
            candidate.delete()
        }
    }

    /**
     * For the start of a process: an opened model that took the last one along is probed again, and one that did so
     * twice is given up.
     *
     * @throws DemoException what is wrong with it.
     */
    fun checkLastRun() {
        val crashes = marker.length()
        if (crashes >= MOST_CRASHES) throw DemoException(Problem.DAMAGED_MODEL)
        if (crashes > 0 && hasOpened) ProbeProvider.probe(context, opened)
    }

    /** Runs [action], which lets the model in use compute, so that the next process knows if it never came back. */
    fun <T> watched(action: () -> T): T {
        begin()
        try {
            return action()
        } finally {
            end()
        }
    }

    /** Before many runs in a row; [end] comes after them. */
    fun begin() {
        if (hasOpened) FileOutputStream(marker, true).use { it.write(1) }
    }

    fun end() {
        marker.delete()
    }

    /** Back to the bundled model. */
    fun forget() {
        opened.delete()
        marker.delete()
    }

    companion object {
        const val BUNDLED = "model.tflite"
        private const val LARGEST_MODEL = 256L shl 20
        private const val MOST_CRASHES = 2
    }
}
