package dev.mobilevit.demo

import dev.mobilevit.demo.core.Box
import dev.mobilevit.demo.core.Filter
import dev.mobilevit.demo.core.Pixels
import kotlin.math.max

/** The same resize written plainly, in doubles: each output value is a weighted mean of the input. */
object RealResampler {
    /** Red, green, blue of each output pixel, after the clipping that the first pass (along the rows) does. */
    fun resize(image: Pixels, width: Int, height: Int, filter: Filter, box: Box): DoubleArray {
        val rows = Array(image.height) { y ->
            DoubleArray(width * 3) { index ->
                along(index / 3, box.left, box.right, width, image.width, filter) { x ->
                    (image.argb[y * image.width + x] shr (16 - 8 * (index % 3)) and 0xFF).toDouble()
                }
            }
        }
        return DoubleArray(height * width * 3) { index ->
            val column = index % (width * 3)
            along(index / (width * 3), box.top, box.bottom, height, image.height, filter) { y -> rows[y][column] }
        }
    }

    private fun along(
        output: Int, start: Int, end: Int, outputs: Int, inputs: Int, filter: Filter, value: (Int) -> Double,
    ): Double {
        val scale = (end - start).toDouble() / outputs
        val stretch = max(scale, 1.0)
        val center = start + (output + 0.5) * scale
        var sum = 0.0
        var total = 0.0
        for (input in 0 until inputs) {
            val weight = filter.weight((input + 0.5 - center) / stretch)
            sum += weight
            total += weight * if (weight == 0.0) 0.0 else value(input)
        }
        return (total / sum).coerceIn(0.0, 255.0)
    }
}
