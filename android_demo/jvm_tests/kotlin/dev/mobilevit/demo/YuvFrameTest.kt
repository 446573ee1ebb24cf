package dev.mobilevit.demo

import dev.mobilevit.demo.core.FrameReader
import dev.mobilevit.demo.core.ImageSpec
import dev.mobilevit.demo.core.Plane
import dev.mobilevit.demo.core.Turn
import dev.mobilevit.demo.core.YuvFrame
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

class YuvFrameTest {
    @Test
    fun everyFrameBecomesPythonsPixelsAndInputToTheLastBit() {
        val cases = Golden.objects(Golden.frames.getJSONArray("frames"))
        assertEquals(64, cases.size)
        for (case in cases) {
            val (width, height, luma) = listOf("width", "height", "luma_row").map(case::getInt)
            val frame = Frames.noise(width, height, luma, case.getInt("chroma_row"), case.getInt("pixel_stride"))
            val orientation = case.getInt("orientation")
            val upright = Golden.rgb(frame.upright(orientation))
            assertEquals("$case", case.getString("upright_sha256"), Golden.sha256(upright))
            val reader = FrameReader(ImageSpec.fromJson(case.getString("spec")))
            repeat(2) { // the second time over the first one's buffer
                val input = reader.modelInput(frame, orientation)
                assertEquals("$case", case.getString("input_sha256"), Golden.sha256(input))
            }
        }
    }

    @Test
    fun aPlaneThatDoesNotFitIsRefusedBeforeAnythingIsRead() {
        val (luma, chroma) = Plane(ByteArray(6), 3, 1) to Plane(ByteArray(2), 2, 1)
        YuvFrame(3, 2, luma, chroma, chroma)
        val wrong = listOf(
            Triple(Plane(ByteArray(5), 3, 1), chroma, chroma), Triple(Plane(ByteArray(99), 2, 1), chroma, chroma),
            Triple(luma, Plane(ByteArray(1), 2, 1), chroma), Triple(luma, chroma, Plane(ByteArray(2), 2, 0)),
            Triple(luma, chroma, Plane(ByteArray(9), 4, 2)), Triple(luma, chroma, Plane(ByteArray(9), -2, 1)),
        )
        for ((y, u, v) in wrong) assertThrows(IllegalArgumentException::class.java) { YuvFrame(3, 2, y, u, v) }
        assertThrows(IllegalArgumentException::class.java) { YuvFrame(0, 2, luma, chroma, chroma) }
    }

    @Test
    fun framesAreTurnedAgainstTheSensorAndWithTheDisplay() {
        // Phones: a back sensor at 90 degrees, a front one at 270; display at 0, a quarter, a half, three quarters.
        assertEquals(listOf(6, 1, 8, 3), List(4) { Turn.ofCamera(90, it, front = false) })
        assertEquals(listOf(8, 1, 6, 3), List(4) { Turn.ofCamera(270, it, front = true) })
        assertEquals(listOf(1, 8, 3, 6), List(4) { Turn.ofCamera(0, it, front = false) }) // a tablet's
    }
}
