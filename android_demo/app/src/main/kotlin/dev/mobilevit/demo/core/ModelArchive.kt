package dev.mobilevit.demo.core

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.CRC32

/**
 * The uncompressed ZIP that an exported model carries behind its flatbuffer. `ZipFile` needs a file of its own, and the
 * bundled model lies inside the APK: this reads the memory-mapped bytes.
 */
object ModelArchive {
    private const val END_SIGNATURE = 0x06054b50
    private const val END_SIZE = 22
    private const val ENTRY_SIGNATURE = 0x02014b50
    private const val ENTRY_SIZE = 46
    private const val FILE_SIGNATURE = 0x04034b50
    private const val FILE_SIZE = 30
    private const val LONGEST_COMMENT = 0xFFFF
    private const val LARGEST_FILE = 1 shl 20 // labels and JSON are kilobytes
    private const val MOST_FILES = 64

    /**
     * Name -> content of every file in the archive at the end of [model].
     *
     * @throws DemoException NO_METADATA where there is none, BAD_METADATA where it is damaged or compressed.
     */
    fun read(model: ByteBuffer): Map<String, ByteArray> {
        val data = model.duplicate().order(ByteOrder.LITTLE_ENDIAN)
        val end = findEnd(data) ?: throw DemoException(Problem.NO_METADATA)
        try {
            return readEntries(data, end)
        } catch (error: IndexOutOfBoundsException) { // an offset that points outside of the file
            throw DemoException(Problem.BAD_METADATA, error)
        } catch (error: IllegalArgumentException) {
            throw DemoException(Problem.BAD_METADATA, error)
        }
    }

    private fun findEnd(data: ByteBuffer): Int? {
        val last = data.limit() - END_SIZE
        return (last downTo maxOf(0, last - LONGEST_COMMENT)).firstOrNull {
            data.getInt(it) == END_SIGNATURE && it + END_SIZE + data.short(it + 20) == data.limit()
        }
    }

    private fun readEntries(data: ByteBuffer, end: Int): Map<String, ByteArray> {
        val directory = end - data.getInt(end + 12)
        val base = directory - data.getInt(end + 16) // offsets count from the ZIP's start or from the file's
        val count = data.short(end + 10)
        require(count <= MOST_FILES)
        val files = LinkedHashMap<String, ByteArray>()
        var entry = directory
        repeat(count) {
            require(data.getInt(entry) == ENTRY_SIGNATURE)
            val nameLength = data.short(entry + 28)
            val name = String(data.bytes(entry + ENTRY_SIZE, nameLength), Charsets.UTF_8)
            files[name] = readFile(data, entry, base + data.getInt(entry + 42))
            entry += ENTRY_SIZE + nameLength + data.short(entry + 30) + data.short(entry + 32)
        }
        return files
    }

    private fun readFile(data: ByteBuffer, entry: Int, file: Int): ByteArray {
        val stored = data.short(entry + 10) == 0
        val size = data.getInt(entry + 24)
        require(stored && size in 0..LARGEST_FILE && data.getInt(file) == FILE_SIGNATURE)
        val content = data.bytes(file + FILE_SIZE + data.short(file + 26) + data.short(file + 28), size)
        require(CRC32().apply { update(content) }.value.toInt() == data.getInt(entry + 16))
        return content
    }

    private fun ByteBuffer.short(index: Int): Int = getShort(index).toInt() and 0xFFFF

    private fun ByteBuffer.bytes(start: Int, size: Int): ByteArray {
        require(start >= 0 && size <= limit() - start)
        return ByteArray(size) { get(start + it) }
    }
}
