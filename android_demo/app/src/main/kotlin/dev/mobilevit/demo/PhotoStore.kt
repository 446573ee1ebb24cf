package dev.mobilevit.demo

import android.content.Context
import android.graphics.Bitmap
import android.net.Uri
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.Problem
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.util.concurrent.atomic.AtomicReference

/** The photo on the screen as a file of our own: senders may withdraw theirs, and a new model asks for it again. */
class PhotoStore(private val context: Context) {
    /** The last photo; it survives the process, so that a restored screen finds it. */
    val current = File(context.cacheDir, "photo")

    /** Names of the bundled photos, at most three, in alphabetical order. */
    val samples: List<String> by lazy {
        context.assets.list(SAMPLES).orEmpty().filter { it.endsWith(".jpg") }.sorted().take(MOST_SAMPLES)
    }

    /** Who took the bundled photos, and their licences. */
    fun credits(): String = context.assets.open("$SAMPLES/CREDITS.md").use { it.readBytes().decodeToString() }

    /** A bundled photo, small. */
    fun thumbnail(name: String): Bitmap {
        val file = File(context.cacheDir, "sample")
        openSample(name).use { input -> file.outputStream().use(input::copyTo) }
        return PhotoDecoder.preview(PhotoDecoder.decode(file), THUMBNAIL_SIDE)
    }

    private fun openSample(name: String): InputStream = context.assets.open("$SAMPLES/$name")

    /** Copies what [uri] names to [current]. */
    fun take(uri: Uri, patience: Patience) = copy(context, uri, current, LARGEST_PHOTO, patience)

    fun takeSample(name: String) {
        openSample(name).use { input -> current.outputStream().use(input::copyTo) }
    }

    companion object {
        private const val SAMPLES = "samples"
        private const val MOST_SAMPLES = 3
        private const val THUMBNAIL_SIDE = 320
        private const val LARGEST_PHOTO = 100L shl 20

        /**
         * @throws DemoException UNREADABLE for all that keeps [uri] from becoming a [file] within [limit] bytes,
         *   TOO_SLOW where the other app sends nothing for too long.
         */
        fun copy(context: Context, uri: Uri, file: File, limit: Long, patience: Patience) {
            if (uri.scheme != "content") throw DemoException(Problem.UNREADABLE) // never a path of our own
            val copy = File.createTempFile("incoming", null, file.parentFile)
            val stream = AtomicReference<InputStream>()
            try {
                patience.await({ stream.get()?.close() }) {
                    val opened = context.contentResolver.openInputStream(uri) ?: throw IOException("nothing at $uri")
                    stream.set(opened)
                    opened.use { input -> copy.outputStream().use { copyAtMost(input, it::write, limit, patience) } }
                }
                if (!copy.renameTo(file)) throw IOException("cannot rename to $file")
            } catch (error: IOException) {
                throw DemoException(Problem.UNREADABLE, error)
            } catch (error: RuntimeException) { // another app's provider: SecurityException and whatever it throws
                throw DemoException(Problem.UNREADABLE, error)
            } finally {
                copy.delete()
            }
        }

        private fun copyAtMost(
            input: InputStream, write: (ByteArray, Int, Int) -> Unit, limit: Long, patience: Patience,
        ) {
            val buffer = ByteArray(1 shl 16)
            var left = limit
            while (true) {
                val count = input.read(buffer)
                if (count < 0) return
                patience.sign()
                left -= count
                if (left < 0) throw IOException("more than $limit bytes")
                write(buffer, 0, count)
            }
        }
    }
}
