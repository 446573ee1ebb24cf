package dev.mobilevit.demo

import dev.mobilevit.demo.core.Plane
import dev.mobilevit.demo.core.Turn
import dev.mobilevit.demo.core.YuvFrame
import java.awt.image.BufferedImage
import java.io.File
import javax.imageio.ImageIO
import kotlin.math.roundToInt

/** Frames for the tests, as a camera's planes would hold them. */
object Frames {
    /** Noise by the formula of tests/support/make_golden_frames.py; each plane ends behind its last sample. */
    fun noise(width: Int, height: Int, lumaRow: Int, chromaRow: Int, pixelStride: Int): YuvFrame {
        val (halfWidth, halfHeight) = (width + 1) / 2 to (height + 1) / 2
        return YuvFrame(
            width, height, plane(width, height, lumaRow, 1, 0),
            plane(halfWidth, halfHeight, chromaRow, pixelStride, 1),
            plane(halfWidth, halfHeight, chromaRow, pixelStride, 2),
        )
    }

    /** One colour all over. */
    fun plain(width: Int, height: Int, luma: Int): YuvFrame {
        fun plane(w: Int, h: Int, value: Int) = Plane(ByteArray(w * h) { value.toByte() }, w, 1)
        val (halfWidth, halfHeight) = (width + 1) / 2 to (height + 1) / 2
        return YuvFrame(
            width, height, plane(width, height, luma),
            plane(halfWidth, halfHeight, 128), plane(halfWidth, halfHeight, 128),
        )
    }

    /** What the sensor gives of [photo] where it must be turned by [orientation] to fill the upright frame. */
    fun ofPhoto(photo: File, width: Int, height: Int, orientation: Int): YuvFrame {
        val turn = Turn.of(width, height, orientation)
        val upright = BufferedImage(turn.width, turn.height, BufferedImage.TYPE_INT_RGB)
        upright.createGraphics().drawImage(ImageIO.read(photo), 0, 0, turn.width, turn.height, null)
        val (y, u, v) = List(3) { ByteArray(width * height) }
        for (top in 0 until turn.height) {
            for (left in 0 until turn.width) {
                val (red, green, blue) = listOf(16, 8, 0).map { upright.getRGB(left, top) shr it and 0xFF }
                val luma = 0.299 * red + 0.587 * green + 0.114 * blue
                val column = turn.column + left * turn.columnPerX + top * turn.columnPerY
                val row = turn.row + left * turn.rowPerX + top * turn.rowPerY
                val chroma = (row / 2) * (width / 2) + column / 2
                y[row * width + column] = luma.roundToInt().toByte()
                u[chroma] = ((blue - luma) / 1.772 + 128).roundToInt().coerceIn(0, 255).toByte()
                v[chroma] = ((red - luma) / 1.402 + 128).roundToInt().coerceIn(0, 255).toByte()
            }
        }
        return YuvFrame(width, height, Plane(y, width, 1), Plane(u, width / 2, 1), Plane(v, width / 2, 1))
    }

    private fun plane(width: Int, height: Int, row: Int, pixel: Int, skip: Int): Plane {
        val size = (height - 1) * row + (width - 1) * pixel + 1
        return Plane(ByteArray(size) { Golden.noiseByte(it + skip) }, row, pixel)
    }
}
