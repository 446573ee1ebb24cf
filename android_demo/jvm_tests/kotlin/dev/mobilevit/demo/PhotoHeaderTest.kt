package dev.mobilevit.demo

import dev.mobilevit.demo.core.PhotoHeader
import dev.mobilevit.demo.core.PixelOps
import dev.mobilevit.demo.core.Pixels
import java.nio.ByteBuffer
import java.util.Random
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

class PhotoHeaderTest {
    @Test
    fun everyOrientationIsRead() {
        for (turn in 1..8) assertEquals(turn, header("exif_$turn.jpg").orientation)
        assertEquals(6, header("exif_6.png").orientation)
        assertEquals(6, header("exif_6.webp").orientation)
        assertEquals(6, header("xmp_6.jpg").orientation)
        assertEquals(8, header("xmp_8.webp").orientation)
        assertEquals(3, header("xmp_3.png").orientation)
        assertEquals("EXIF comes first", 1, header("exif_1_xmp_6.jpg").orientation)
        assertEquals(1, header("progressive.jpg").orientation)
    }

    @Test
    fun everyWholePhotoIsComplete() {
        for (case in Golden.cases("photos")) assertTrue("$case", header(case.getString("file")).isComplete)
    }

    @Test
    fun aJpegPngOrWebpCutAnywhereIsIncomplete() {
        for (name in listOf("420_odd.jpg", "progressive.jpg", "alpha.png", "lossy.webp", "exif_6.webp")) {
            val bytes = Golden.photo(name).readBytes()
            for (size in 12 until bytes.size) {
                assertFalse("$name cut to $size", PhotoHeader.read(ByteBuffer.wrap(bytes.copyOf(size))).isComplete)
            }
        }
    }

    @Test
    fun bytesBehindTheEndOfAJpegAreNoDamage() {
        val bytes = Golden.photo("420_odd.jpg").readBytes() + ByteArray(100)
        assertTrue(PhotoHeader.read(ByteBuffer.wrap(bytes)).isComplete)
    }

    @Test
    fun noRandomDamageThrows() {
        val random = Random(1)
        for (name in listOf("exif_6.jpg", "exif_6.png", "exif_6.webp", "xmp_6.jpg", "xmp_8.webp", "xmp_3.png")) {
            val bytes = Golden.photo(name).readBytes()
            repeat(2000) {
                val damaged = bytes.copyOf(1 + random.nextInt(bytes.size))
                repeat(4) { damaged[random.nextInt(minOf(damaged.size, 150))] = random.nextInt().toByte() }
                assertTrue(PhotoHeader.read(ByteBuffer.wrap(damaged)).orientation in 1..8)
            }
        }
    }

    @Test
    fun eachOrientationTurnsAsTheStandardSays() {
        val photo = Pixels(3, 2, intArrayOf(1, 2, 3, 4, 5, 6))
        val turned = mapOf(
            1 to intArrayOf(1, 2, 3, 4, 5, 6), 2 to intArrayOf(3, 2, 1, 6, 5, 4), 3 to intArrayOf(6, 5, 4, 3, 2, 1),
            4 to intArrayOf(4, 5, 6, 1, 2, 3), 5 to intArrayOf(1, 4, 2, 5, 3, 6), 6 to intArrayOf(4, 1, 5, 2, 6, 3),
            7 to intArrayOf(6, 3, 5, 2, 4, 1), 8 to intArrayOf(3, 6, 2, 5, 1, 4),
        )
        for ((orientation, expected) in turned) {
            val result = PixelOps.upright(photo, orientation)
            assertArrayEquals("$orientation", expected, result.argb)
            assertEquals(if (orientation < 5) 3 else 2, result.width)
        }
    }

    @Test
    fun theSampleSizeIsTheFirstPowerOfTwoThatFits() {
        val most = Golden.vectors.getJSONObject("limits").getInt("decoded_pixels")
        assertEquals(1, PixelOps.sampleSize(2048, 2048, most))
        assertEquals(2, PixelOps.sampleSize(2049, 2048, most))
        assertEquals(2, PixelOps.sampleSize(4000, 3000, most))
        assertEquals(4, PixelOps.sampleSize(8160, 6120, most))
        assertEquals(8, PixelOps.sampleSize(10_000, 10_000, most))
    }

    private fun header(name: String) = PhotoHeader.read(ByteBuffer.wrap(Golden.photo(name).readBytes()))
}
