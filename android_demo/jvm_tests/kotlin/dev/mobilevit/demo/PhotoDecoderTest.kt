package dev.mobilevit.demo

import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.ImageSpec
import dev.mobilevit.demo.core.Problem
import java.awt.image.BufferedImage
import java.io.File
import javax.imageio.ImageIO
import kotlin.math.abs
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** Android's own decoder (Robolectric runs its native code) against Pillow's. */
@RunWith(DemoRunner::class)
@Config(sdk = [34])
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class PhotoDecoderTest {
    @Test
    fun everyPhotoIsDecodedToThePixelsThatPillowGives() {
        val spec = ImageSpec.fromJson(Golden.vectors.getString("photo_spec"))
        for (case in Golden.cases("photos")) {
            val name = case.getString("file")
            val pixels = PhotoDecoder.decode(Golden.photo(name))
            assertEquals(name, case.getInt("width") to case.getInt("height"), pixels.width to pixels.height)
            assertEquals(name, case.getString("decoded_sha256"), Golden.sha256(Golden.rgb(pixels)))
            assertEquals(name, case.getString("input_sha256"), Golden.sha256(spec.modelInput(pixels)))
        }
    }

    @Test
    fun aPhotoOfAnotherColourSpaceDiffersFromPillowByAtMostOneLevel() {
        val case = Golden.vectors.getJSONObject("wide_gamut")
        val pixels = Golden.rgb(PhotoDecoder.decode(Golden.photo(case.getString("file"))))
        val expected = case.getString("decoded").chunked(2).map { it.toInt(16) }
        val differences = expected.indices.map { abs(expected[it] - (pixels[it].toInt() and 0xFF)) }
        val differing = differences.count { it > 0 }
        println("Display P3: largest difference ${differences.max()}, on $differing of ${differences.size} values")
        assertTrue("${differences.max()}", differences.max() <= 1)
    }

    @Test
    fun theLimitsAreThoseOfTheDesktop() {
        val limits = Golden.vectors.getJSONObject("limits")
        assertEquals(limits.getInt("photo_pixels"), PhotoDecoder.MAX_PHOTO_PIXELS)
        assertEquals(limits.getInt("decoded_pixels"), PhotoDecoder.MAX_DECODED_PIXELS)
        val jpeg = Golden.frames.getJSONObject("limits").getInt("jpeg_pixels")
        assertEquals(jpeg, PhotoDecoder.MAX_JPEG_PIXELS)
    }

    @Test
    fun aPhotoOf50MegapixelsIsDecodedAtAQuarterOfItsSides() {
        for (format in listOf("jpg", "png")) {
            val file = File.createTempFile("large", ".$format")
            ImageIO.write(BufferedImage(8160, 6120, BufferedImage.TYPE_BYTE_GRAY), format, file)
            val pixels = PhotoDecoder.decode(file)
            file.delete()
            assertEquals(2040 to 1530, pixels.width to pixels.height)
            val preview = PhotoDecoder.preview(pixels, 1280)
            assertEquals(1280 to 960, preview.width to preview.height)
        }
    }

    @Test
    fun aBaselineJpegOf108MegapixelsIsDecodedAtAnEighthAndAProgressiveOneIsRefused() {
        val file = File.createTempFile("huge", ".jpg")
        ImageIO.write(BufferedImage(12_000, 9_000, BufferedImage.TYPE_BYTE_GRAY), "jpg", file)
        val pixels = PhotoDecoder.decode(file)
        assertEquals(1500 to 1125, pixels.width to pixels.height)
        val bytes = file.readBytes()
        val frame = (0 until bytes.size).first { bytes[it] == 0xFF.toByte() && bytes[it + 1] == 0xC0.toByte() }
        bytes[frame + 1] = 0xC2.toByte()
        file.writeBytes(bytes)
        val error = assertThrows(DemoException::class.java) { PhotoDecoder.decode(file) }
        file.delete()
        assertEquals(Problem.HUGE_PICTURE, error.problem)
    }

    @Test
    fun everyBadPhotoIsRefused() {
        val names = Golden.vectors.getJSONArray("bad_photos")
        for (index in 0 until names.length()) {
            assertThrows(names.getString(index), DemoException::class.java) {
                PhotoDecoder.decode(Golden.photo(names.getString(index)))
            }
        }
    }

    @Test
    fun morePixelsThanTheLimitAreRefusedBeforeDecoding() {
        val file = File.createTempFile("bomb", ".png")
        ImageIO.write(BufferedImage(20_000, 5_001, BufferedImage.TYPE_BYTE_BINARY), "png", file)
        val error = assertThrows(DemoException::class.java) { PhotoDecoder.decode(file) }
        file.delete()
        assertEquals(Problem.HUGE_PICTURE, error.problem)
    }
}
