package dev.mobilevit.demo

import dev.mobilevit.demo.core.Box
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.Filter
import dev.mobilevit.demo.core.ImageSpec
import dev.mobilevit.demo.core.Pixels
import dev.mobilevit.demo.core.Problem
import dev.mobilevit.demo.core.Resampler
import java.nio.ByteBuffer
import java.util.Random
import kotlin.math.abs
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class PreprocessingTest {
    @Test
    fun everyModelInputEqualsPythonsToTheLastBit() {
        val cases = Golden.cases("resize")
        assertEquals(110, cases.size)
        var last: Pair<Triple<Int, Int, String>, Pixels>? = null
        for (case in cases) {
            val key = Triple(case.getInt("width"), case.getInt("height"), case.getString("kind"))
            val picture = last?.takeIf { it.first == key }?.second ?: Golden.synthetic(key.first, key.second, key.third)
            last = key to picture
            val input = ImageSpec.fromJson(case.getString("spec")).modelInput(picture)
            assertEquals("$key ${case.getString("spec")}", case.getString("sha256"), Golden.sha256(input))
        }
    }

    @Test
    fun everyCropBoxEqualsPythons() {
        val cases = Golden.vectors.getJSONArray("crop")
        assertEquals(300, cases.length())
        for (index in 0 until cases.length()) {
            val case = cases.getJSONArray(index)
            val spec = spec("height" to case.getInt(2), "width" to case.getInt(3), "crop_fraction" to case.getDouble(4))
            val (left, top, right, bottom) = List(4) { case.getJSONArray(5).getInt(it) }
            val box = ImageSpec.fromJson(spec).cropBox(case.getInt(0), case.getInt(1))
            assertEquals("$case", Box(left, top, right, bottom), box)
        }
    }

    @Test
    fun everyNormalizedValueEqualsPythonsToTheLastBit() {
        for (case in Golden.cases("normalize")) {
            val bytes = ByteArray(12) { case.getJSONArray("pixels").getInt(it).toByte() }
            val values = ByteBuffer.allocate(48)
            ImageSpec.fromJson(case.getString("spec")).normalize(bytes, values.asFloatBuffer())
            val expected = IntArray(12) { case.getJSONArray("bits").getInt(it) }
            assertArrayEquals(expected, IntArray(12) { values.getInt(4 * it) })
        }
    }

    @Test
    fun onRandomSizesTheResultIsRealArithmeticRoundedAfterEachPass() {
        val random = Random(3)
        repeat(150) {
            val picture = Golden.synthetic(1 + random.nextInt(90), 1 + random.nextInt(90), "noise")
            val (width, height) = 1 + random.nextInt(90) to 1 + random.nextInt(90)
            val left = random.nextInt(picture.width)
            val top = random.nextInt(picture.height)
            val right = left + 1 + random.nextInt(picture.width - left)
            val box = Box(left, top, right, top + 1 + random.nextInt(picture.height - top))
            val filter = Filter.entries[random.nextInt(2)]
            val result = Golden.rgb(Resampler.resize(picture, width, height, filter, box))
            val exact = RealResampler.resize(picture, width, height, filter, box)
            // Half a level from each pass; bicubic weights, some negative, enlarge the first half by up to 1.6.
            val most = if (filter == Filter.BILINEAR) 1.001 else 1.3
            for (index in exact.indices) {
                val difference = abs(exact[index] - (result[index].toInt() and 0xFF))
                assertTrue("${picture.width}x${picture.height} $box $filter: $difference", difference <= most)
            }
        }
    }

    @Test
    fun aBoxOfTheOutputsSizeIsCopied() {
        val picture = Golden.synthetic(20, 10, "noise")
        val same = Resampler.resize(picture, 20, 10, Filter.BICUBIC, Box(0, 0, 20, 10))
        assertArrayEquals(picture.argb, same.argb)
        assertTrue(same.argb !== picture.argb)
    }

    @Test
    fun aSpecOfANewerSchemaIsRefusedAsNewer() {
        assertEquals(Problem.NEWER_MODEL, problemOf(spec("schema_version" to 2)))
        assertEquals(Problem.NEWER_MODEL, problemOf(spec("schema_version" to 2, "something_new" to true)))
    }

    @Test
    fun aSpecWithAnythingUnexpectedIsRefused() {
        val wrong = listOf(
            "height" to 0, "height" to 4097, "height" to "256", "height" to 256.5, "resize" to "nearest",
            "crop_fraction" to 0.0, "crop_fraction" to 1.5, "color_order" to "GRB", "std" to listOf(1, 0, 1),
            "mean" to listOf(1, 2), "range" to listOf(1, 0), "unknown" to 1, "schema_version" to 0, "width" to null,
        )
        for (change in wrong) assertEquals("$change", Problem.BAD_METADATA, problemOf(spec(change)))
        for (text in listOf("", "[]", "{", "nonsense")) assertEquals(text, Problem.BAD_METADATA, problemOf(text))
    }

    private fun spec(vararg changes: Pair<String, Any?>): String {
        val json = JSONObject(Golden.vectors.getString("photo_spec"))
        for ((key, value) in changes) json.put(key, if (value is List<*>) org.json.JSONArray(value) else value)
        return json.toString()
    }

    private fun problemOf(text: String): Problem =
        assertThrows(DemoException::class.java) { ImageSpec.fromJson(text) }.problem
}
