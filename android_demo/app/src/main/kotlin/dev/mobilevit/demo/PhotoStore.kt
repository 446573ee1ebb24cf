package dev.mobilevit.demo

import android.content.Context
import android.net.Uri
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.Problem
import java.io.File
import java.io.IOException
import java.io.InputStream

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

    fun openSample(name: String): InputStream = context.assets.open("$SAMPLES/$name")

    /** Copies what [uri] names to [current]. */
    fun take(uri: Uri) = copy(context, uri, current, LARGEST_PHOTO)

    fun takeSample(name: String) = write(openSample(name), current, LARGEST_PHOTO)

    companion object {
        private const val SAMPLES = "samples"
        private const val MOST_SAMPLES = 3
        private const val LARGEST_PHOTO = 100L shl 20

        /** @throws DemoException UNREADABLE for all that keeps [uri] from becoming a [file] within [limit] bytes. */
        fun copy(context: Context, uri: Uri, file: File, limit: Long) {
            val stream = try {
                if (uri.scheme != "content") throw DemoException(Problem.UNREADABLE) // never a path of our own
                context.contentResolver.openInputStream(uri)
            } catch (error: IOException) {
                throw DemoException(Problem.UNREADABLE, error)
            } catch (error: RuntimeException) { // another app's provider: SecurityException and whatever it throws
                throw DemoException(Problem.UNREADABLE, error)
            }
            write(stream ?: throw DemoException(Problem.UNREADABLE), file, limit)
        }

        private fun write(stream: InputStream, file: File, limit: Long) {
            val temporary = File(file.path + ".tmp")
            try {
                stream.use { input -> temporary.outputStream().use { copyAtMost(input, it::write, limit) } }
                if (!temporary.renameTo(file)) throw IOException("cannot rename to $file")
            } catch (error: IOException) {
                throw DemoException(Problem.UNREADABLE, error)
            } finally {
                temporary.delete()
            }
        }

        private fun copyAtMost(input: InputStream, write: (ByteArray, Int, Int) -> Unit, limit: Long) {
            val buffer = ByteArray(1 shl 16)
            var left = limit
            while (true) {
                val count = input.read(buffer)
                if (count < 0) return
                left -= count
                if (left < 0) throw IOException("more than $limit bytes")
                write(buffer, 0, count)
            }
        }
    }
}
