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
        val (w, h) = photo.width to photo.height
        val turned = orientation >= 5 // columns become rows
        val width = if (turned) h else w
        val height = if (turned) w else h
        val result = IntArray(w * h)
        // Index of the source of (0, 0), and how far it moves with each output column and row.
        val (start, right, down) = when (orientation) {
            2 -> Triple(w - 1, -1, w)
            3 -> Triple(w * h - 1, -1, -w)
            4 -> Triple(w * (h - 1), 1, -w)
            5 -> Triple(0, w, 1)
            6 -> Triple(w * (h - 1), -w, 1)
            7 -> Triple(w * h - 1, -w, -1)
            else -> Triple(w - 1, w, -1)
        }
        for (y in 0 until height) {
            var source = start + y * down
            for (x in 0 until width) {
                result[y * width + x] = photo.argb[source]
                source += right
            }
        }
        return Pixels(width, height, result)
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
