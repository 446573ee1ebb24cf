package dev.mobilevit.demo.core

/** One plane of a frame: a row every [rowStride] bytes, a sample at every [pixelStride]-th of them. */
class Plane(val bytes: ByteArray, val rowStride: Int, val pixelStride: Int) {
    /** True where [width] x [height] samples lie inside; the last row may end behind its last sample. */
    fun holds(width: Int, height: Int): Boolean {
        if (width < 1 || height < 1 || pixelStride < 1 || rowStride < 1) return false
        val row = (width - 1).toLong() * pixelStride + 1
        return rowStride >= row && bytes.size >= (height - 1).toLong() * rowStride + row
    }
}

/**
 * A camera's frame in YUV 4:2:0, [width] x [height] as the sensor gives it, and its pixels by the rule of
 * `mobilevit_tf/image/yuv.py`: nearest chroma, full-range BT.601 in Pillow's fixed point.
 *
 * @throws IllegalArgumentException where a plane does not fit the size.
 */
class YuvFrame(val width: Int, val height: Int, private val y: Plane, private val u: Plane, private val v: Plane) {
    init {
        val (halfWidth, halfHeight) = (width + 1) / 2 to (height + 1) / 2
        require(y.holds(width, height) && u.holds(halfWidth, halfHeight) && v.holds(halfWidth, halfHeight)) {
            "the planes do not fit $width x $height"
        }
        require(u.rowStride == v.rowStride && u.pixelStride == v.pixelStride) { "the chroma planes differ" }
    }

    /** The whole frame, upright. */
    fun upright(orientation: Int): Pixels {
        val turn = Turn.of(width, height, orientation)
        val pixels = IntArray(width * height)
        fill(turn, Box(0, 0, turn.width, turn.height), pixels)
        return Pixels(turn.width, turn.height, pixels)
    }

    /** Writes the upright pixels of [box] to their places in [into], row by row of the upright frame. */
    fun fill(turn: Turn, box: Box, into: IntArray) {
        for (top in box.top until box.bottom) {
            var column = turn.column + top * turn.columnPerY + box.left * turn.columnPerX
            var row = turn.row + top * turn.rowPerY + box.left * turn.rowPerX
            for (index in top * turn.width + box.left until top * turn.width + box.right) {
                into[index] = pixel(column, row)
                column += turn.columnPerX
                row += turn.rowPerX
            }
        }
    }

    private fun pixel(column: Int, row: Int): Int {
        val luma = y.bytes[row * y.rowStride + column * y.pixelStride].toInt() and 0xFF
        val chroma = (row shr 1) * u.rowStride + (column shr 1) * u.pixelStride
        val blue = u.bytes[chroma].toInt() and 0xFF
        val red = v.bytes[chroma].toInt() and 0xFF
        return OPAQUE or (clip8(luma + (RED_BY_RED[red] shr BITS)) shl 16) or
            (clip8(luma + ((GREEN_BY_BLUE[blue] + GREEN_BY_RED[red]) shr BITS)) shl 8) or
            clip8(luma + (BLUE_BY_BLUE[blue] shr BITS))
    }

    private companion object {
        const val OPAQUE = 0xFF shl 24
        const val BITS = 6 // of the fraction
        val RED_BY_RED = table(1.402)
        val GREEN_BY_BLUE = table(-0.34414)
        val GREEN_BY_RED = table(-0.71414)
        val BLUE_BY_BLUE = table(1.772)

        /** [factor] of ITU-T T.871, section 7, times each chroma value, rounded as Pillow does it: half up, to zero. */
        fun table(factor: Double) = IntArray(256) { (factor * (1 shl BITS) * (it - 128) + 0.5).toInt() }

        fun clip8(value: Int): Int = minOf(maxOf(value, 0), 255)
    }
}

/** Frames -> the model's input as [spec] has it; converts no more of a frame than the resize reads. */
class FrameReader(private val spec: ImageSpec) {
    private var upright = IntArray(0) // of one frame, used again for the next

    fun modelInput(frame: YuvFrame, orientation: Int): ByteArray {
        val turn = Turn.of(frame.width, frame.height, orientation)
        if (upright.size != turn.width * turn.height) upright = IntArray(turn.width * turn.height)
        val box = spec.cropBox(turn.height, turn.width)
        frame.fill(turn, Resampler.reach(turn.width, turn.height, spec.width, spec.height, spec.filter, box), upright)
        return spec.modelInput(Pixels(turn.width, turn.height, upright))
    }
}
