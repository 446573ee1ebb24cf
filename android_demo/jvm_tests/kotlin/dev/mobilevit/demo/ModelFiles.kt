package dev.mobilevit.demo

import java.io.ByteArrayOutputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.CRC32
import java.util.zip.ZipEntry
import java.util.zip.ZipInputStream
import java.util.zip.ZipOutputStream
import org.json.JSONObject

/** Variations of the shipped model for the tests: its flatbuffer with other files behind it. */
object ModelFiles {
    val shipped: ByteArray by lazy { Golden.model.readBytes() }

    /** Name -> content of the shipped model's archive, read by the JDK. */
    val parts: Map<String, ByteArray> by lazy {
        val zip = ZipInputStream(shipped.inputStream(zipStart, shipped.size - zipStart))
        generateSequence { zip.nextEntry }.associate { it.name to zip.readBytes() }
    }
    /** The shipped model's archive alone. */
    val archive: ByteArray by lazy { shipped.copyOfRange(zipStart, shipped.size) }
    val labels: List<String> by lazy { parts.getValue("labels.txt").decodeToString().trimEnd().split("\n") }

    private val zipStart: Int by lazy {
        val signature = byteArrayOf(0x50, 0x4b, 0x03, 0x04)
        (0 until shipped.size).first { at -> signature.indices.all { shipped[at + it] == signature[it] } }
    }

    fun withParts(parts: Map<String, ByteArray>, method: Int = ZipEntry.STORED): ByteArray {
        val archive = ByteArrayOutputStream()
        ZipOutputStream(archive).use { zip ->
            for ((name, content) in parts) {
                val entry = ZipEntry(name)
                entry.method = method
                if (method == ZipEntry.STORED) {
                    entry.size = content.size.toLong()
                    entry.crc = CRC32().apply { update(content) }.value
                }
                zip.putNextEntry(entry)
                zip.write(content)
            }
        }
        return shipped.copyOf(zipStart) + archive.toByteArray()
    }

    /** The shipped model with some values of one of its JSON files changed. */
    fun withJson(file: String, vararg changes: Pair<String, Any>): ByteArray {
        val json = JSONObject(parts.getValue(file).decodeToString())
        for ((key, value) in changes) json.put(key, value)
        return withParts(parts + (file to json.toString().toByteArray()))
    }

    fun direct(bytes: ByteArray): ByteBuffer {
        val buffer = ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder())
        buffer.put(bytes)
        buffer.rewind()
        return buffer
    }
}
