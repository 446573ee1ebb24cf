package dev.mobilevit.demo

import dev.mobilevit.demo.core.Pixels
import java.io.File
import java.security.MessageDigest
import org.json.JSONArray
import org.json.JSONObject

/** The vectors that tests/support/make_golden.py wrote, and the formula it draws its pictures with. */
object Golden {
    val folder = File(System.getProperty("demo.golden"))
    val vectors = JSONObject(File(folder, "vectors.json").readText())
    val frames by lazy { JSONObject(File(folder, "frames.json").readText()) }
    val scores by lazy { JSONObject(File(folder, "scores.json").readText()) }
    val model = File(System.getProperty("demo.model"))
    val samples = File(System.getProperty("demo.samples"))

    fun photo(name: String) = File(folder, "photos/$name")

    fun cases(key: String): List<JSONObject> = objects(vectors.getJSONArray(key))

    fun objects(array: JSONArray): List<JSONObject> = List(array.length()) { array.getJSONObject(it) }

    fun synthetic(width: Int, height: Int, kind: String): Pixels {
        val argb = IntArray(width * height) { index ->
            val y = index / width
            val x = index % width
            val channel = { c: Int ->
                when (kind) {
                    "ramp" -> (x * 3 + y * 2 + c * 70) and 0xFF
                    "grey" -> noise(index * 3)
                    else -> noise(index * 3 + c)
                }
            }
            (channel(0) shl 16) or (channel(1) shl 8) or channel(2)
        }
        return Pixels(width, height, argb)
    }

    private fun noise(index: Int): Int {
        var value = index * 0x9E3779B1.toInt()
        value = (value xor (value ushr 15)) * 0x2C1B3C6D
        return (value xor (value ushr 12)) ushr 24
    }

    /** Value number [index] of the noise pictures, red, green and blue of one pixel after the other. */
    fun noiseByte(index: Int): Byte = noise(index).toByte()

    /** Red, green, blue, one byte each. */
    fun rgb(pixels: Pixels): ByteArray = ByteArray(pixels.argb.size * 3) {
        (pixels.argb[it / 3] shr (16 - 8 * (it % 3))).toByte()
    }

    fun sha256(bytes: ByteArray): String =
        MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }
}
