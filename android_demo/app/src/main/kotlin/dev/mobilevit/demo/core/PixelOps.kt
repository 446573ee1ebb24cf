package dev.mobilevit.demo.core

/** The steps between Android's decoder and the resize, on ints, so that they equal the desktop's bit for bit. */
object PixelOps {
    /** Composes straight (not premultiplied) 0xAARRGGBB on white, in place, rounded as Pillow's alpha_composite. */
    fun composeOnWhite(argb: IntArray) {
        for (index in argb.indices) {
            val pixel = argb[index]
            val alpha = pixel ushr 24
            if (alpha == 255) continue
            argb[index] = if (alpha == 0) {
                OPAQUE_WHITE
            } else {
                (0xFF shl 24) or (blend(pixel shr 16 and 0xFF, alpha) shl 16) or
                    (blend(pixel shr 8 and 0xFF, alpha) shl 8) or blend(pixel and 0xFF, alpha)
            }
        }
    }

    /** Turns a photo as its EXIF [orientation] (1 to 8) asks; 1 returns the same object. */
    fun upright(photo: Pixels, orientation: Int): Pixels {
        if (orientation !in 2..8) return photo
        val turn = Turn.of(photo.width, photo.height, orientation)
        val right = turn.rowPerX * photo.width + turn.columnPerX
        val result = IntArray(photo.argb.size)
        for (y in 0 until turn.height) {
            var source = (turn.row + y * turn.rowPerY) * photo.width + turn.column + y * turn.columnPerY
            for (x in 0 until turn.width) {
                result[y * turn.width + x] = photo.argb[source]
                source += right
            }
        }
        return Pixels(turn.width, turn.height, result)
    }

    /** The first power of two that brings [width] x [height], divided and rounded up, under [mostPixels]. */
    fun sampleSize(width: Int, height: Int, mostPixels: Int): Int {
        var divisor = 1
        while (ceilDiv(width, divisor).toLong() * ceilDiv(height, divisor) > mostPixels) divisor *= 2
        return divisor
    }

    private const val OPAQUE_WHITE = -1

    private fun ceilDiv(value: Int, divisor: Int): Int = (value + divisor - 1) / divisor

    private fun blend(channel: Int, alpha: Int): Int {
        val sum = channel * alpha + 255 * (255 - alpha) + 0x80
        return ((sum shr 8) + sum) shr 8
    }
}
