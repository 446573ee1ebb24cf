package dev.mobilevit.demo.core

import kotlin.math.abs
import kotlin.math.ceil

/** An opaque picture: [width] x [height] ints 0xAARRGGBB, row by row; the alpha byte is not looked at. */
class Pixels(val width: Int, val height: Int, val argb: IntArray) {
    init {
        require(width > 0 && height > 0 && argb.size == width * height)
    }
}

/** Pillow's antialiasing filters: [support] in input pixels at scale 1, weight by distance. */
enum class Filter(val jsonName: String, val support: Double) {
    BILINEAR("bilinear", 1.0) {
        override fun weight(distance: Double): Double {
            val x = abs(distance)
            return if (x < 1.0) 1.0 - x else 0.0
        }
    },
    BICUBIC("bicubic", 2.0) {
        override fun weight(distance: Double): Double {
            val x = abs(distance)
            return when {
                x < 1.0 -> ((A + 2.0) * x - (A + 3.0)) * x * x + 1
                x < 2.0 -> (((x - 5) * x + 8) * x - 4) * A
                else -> 0.0
            }
        }
    }, ;

    abstract fun weight(distance: Double): Double

    private companion object {
        const val A = -0.5 // Keys' cubic
    }
}

/**
 * The resize of the contract: Pillow's for 8-bit pictures, bit for bit. The weights of each output pixel are computed
 * in doubles, normalised, rounded to fixed point; one pass along the rows, one along the columns, each rounded to 8
 * bits; a pass that would change nothing does not run. The filters of Android itself give other pixels.
 */
object Resampler {
    private const val PRECISION_BITS = 32 - 8 - 2
    private const val HALF = 1 shl (PRECISION_BITS - 1)

    /** Fixed-point weights: output pixel i is the sum of `weights[i * stride + k]` times input pixel `first[i] + k`. */
    private class Weights(val first: IntArray, val count: IntArray, val weights: IntArray, val stride: Int)

    /** The [box] of [image], [width] x [height] large. Pixels around the box count where the filter reaches them. */
    fun resize(image: Pixels, width: Int, height: Int, filter: Filter, box: Box): Pixels {
        val alongRows = width != image.width || box.left != 0 || box.right != width
        val alongColumns = height != image.height || box.top != 0 || box.bottom != height
        val vertical = weights(image.height, box.top, box.bottom, height, filter)
        var pixels = image.argb
        var shift = 0
        if (alongRows) {
            val horizontal = weights(image.width, box.left, box.right, width, filter)
            shift = vertical.first.first() // only the rows that the second pass reads
            val rows = vertical.first.last() + vertical.count.last() - shift
            pixels = rowPass(image, shift, rows, horizontal)
        }
        if (alongColumns) pixels = columnPass(pixels, width, height, vertical, shift)
        return Pixels(width, height, if (pixels === image.argb) pixels.copyOf() else pixels)
    }

    /** What [resize] reads of a picture of [photoWidth] x [photoHeight], and perhaps a pixel more on each side. */
    fun reach(photoWidth: Int, photoHeight: Int, width: Int, height: Int, filter: Filter, box: Box): Box {
        val aside = ceil(filter.support * maxOf((box.right - box.left).toDouble() / width, 1.0)).toInt() + 1
        val above = ceil(filter.support * maxOf((box.bottom - box.top).toDouble() / height, 1.0)).toInt() + 1
        return Box(
            maxOf(0, box.left - aside), maxOf(0, box.top - above),
            minOf(photoWidth, box.right + aside), minOf(photoHeight, box.bottom + above),
        )
    }

    private fun weights(inputSize: Int, start: Int, end: Int, outputSize: Int, filter: Filter): Weights {
        val scale = (end - start).toDouble() / outputSize
        val filterScale = maxOf(scale, 1.0)
        val support = filter.support * filterScale
        val stride = ceil(support).toInt() * 2 + 1
        val result = Weights(IntArray(outputSize), IntArray(outputSize), IntArray(outputSize * stride), stride)
        val exact = DoubleArray(stride)
        for (output in 0 until outputSize) {
            val center = start + (output + 0.5) * scale
            val first = maxOf((center - support + 0.5).toInt(), 0)
            val count = minOf((center + support + 0.5).toInt(), inputSize) - first
            var sum = 0.0
            for (k in 0 until count) {
                exact[k] = filter.weight((k + first - center + 0.5) * (1.0 / filterScale))
                sum += exact[k]
            }
            for (k in 0 until count) {
                val weight = if (sum != 0.0) exact[k] / sum else exact[k]
                result.weights[output * stride + k] =
                    ((if (weight < 0) -0.5 else 0.5) + weight * (1 shl PRECISION_BITS)).toInt()
            }
            result.first[output] = first
            result.count[output] = count
        }
        return result
    }

    private fun rowPass(image: Pixels, firstRow: Int, rows: Int, weights: Weights): IntArray {
        val width = weights.first.size
        val result = IntArray(rows * width)
        for (row in 0 until rows) {
            val source = (firstRow + row) * image.width
            for (x in 0 until width) {
                result[row * width + x] = mix(image.argb, source + weights.first[x], 1, weights, x)
            }
        }
        return result
    }

    private fun columnPass(pixels: IntArray, width: Int, height: Int, weights: Weights, shift: Int): IntArray {
        val result = IntArray(height * width)
        for (y in 0 until height) {
            val source = (weights.first[y] - shift) * width
            for (x in 0 until width) {
                result[y * width + x] = mix(pixels, source + x, width, weights, y)
            }
        }
        return result
    }

    /** One output pixel: the weighted sum of every [step]-th int from [start] on, each channel rounded and clipped. */
    private fun mix(pixels: IntArray, start: Int, step: Int, weights: Weights, output: Int): Int {
        var red = HALF
        var green = HALF
        var blue = HALF
        var index = start
        val base = output * weights.stride
        for (k in base until base + weights.count[output]) {
            val pixel = pixels[index]
            val weight = weights.weights[k]
            red += (pixel shr 16 and 0xFF) * weight
            green += (pixel shr 8 and 0xFF) * weight
            blue += (pixel and 0xFF) * weight
            index += step
        }
        return (clip8(red) shl 16) or (clip8(green) shl 8) or clip8(blue)
    }

    private fun clip8(fixed: Int): Int = minOf(maxOf(fixed shr PRECISION_BITS, 0), 255)
}
