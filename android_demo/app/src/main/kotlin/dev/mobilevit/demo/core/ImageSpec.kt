package dev.mobilevit.demo.core

import java.nio.FloatBuffer
import org.json.JSONException
import org.json.JSONObject

/** Whole pixels of a photo; right and bottom lie outside. */
data class Box(val left: Int, val top: Int, val right: Int, val bottom: Int)

/**
 * How a photo becomes the model's input: the `image_spec.json` in a model file, as `mobilevit_tf/image_spec.py` wrote
 * it. The app holds no value of its own for any of these.
 *
 * @property cropFraction side of the centred crop over the largest box of the input's aspect ratio, in (0, 1].
 * @property range values that the pixels 0 and 255 map to, before mean and std.
 * @property mean per channel in [colorOrder], in the units of [range].
 * @property std like [mean], positive.
 */
data class ImageSpec(
    val height: Int,
    val width: Int,
    val filter: Filter,
    val cropFraction: Double,
    val colorOrder: ColorOrder,
    val range: List<Double>,
    val mean: List<Double>,
    val std: List<Double>,
) {
    enum class ColorOrder { RGB, BGR }

    /** The centred box that is resized to the input, from a photo of [photoHeight] x [photoWidth]. */
    fun cropBox(photoHeight: Int, photoWidth: Int): Box {
        // Doubles in the order of image_spec.py, so that both round alike; Long, because the product can exceed Int.
        val boxHeight = minOf(photoHeight.toDouble(), (photoWidth.toLong() * height).toDouble() / width)
        val boxWidth = minOf(photoWidth.toDouble(), (photoHeight.toLong() * width).toDouble() / height)
        val rows = minOf(photoHeight, maxOf(1, Math.floor(boxHeight * cropFraction + 0.5).toInt()))
        val columns = minOf(photoWidth, maxOf(1, Math.floor(boxWidth * cropFraction + 0.5).toInt()))
        val left = (photoWidth - columns) / 2
        val top = (photoHeight - rows) / 2
        return Box(left, top, left + columns, top + rows)
    }

    /** An upright photo -> [height] x [width] x 3 bytes, channels in [colorOrder]: what a uint8 input takes. */
    fun modelInput(photo: Pixels): ByteArray {
        val resized = Resampler.resize(photo, width, height, filter, cropBox(photo.height, photo.width))
        val bytes = ByteArray(resized.argb.size * 3)
        val (first, third) = if (colorOrder == ColorOrder.RGB) 16 to 0 else 0 to 16
        resized.argb.forEachIndexed { index, pixel ->
            bytes[3 * index] = (pixel shr first).toByte()
            bytes[3 * index + 1] = (pixel shr 8).toByte()
            bytes[3 * index + 2] = (pixel shr third).toByte()
        }
        return bytes
    }

    /** Writes [modelInput]'s bytes as the values that a float32 input takes. */
    fun normalize(pixels: ByteArray, into: FloatBuffer) {
        val scale = ((range[1] - range[0]) / 255.0).toFloat()
        val low = range[0].toFloat()
        val means = FloatArray(3) { mean[it].toFloat() }
        val stds = FloatArray(3) { std[it].toFloat() }
        pixels.forEachIndexed { index, value ->
            into.put(((value.toInt() and 0xFF) * scale + low - means[index % 3]) / stds[index % 3])
        }
    }

    companion object {
        /** The schema that this reader knows; a newer one is refused. */
        const val SCHEMA_VERSION = 1
        private const val LARGEST_SIDE = 4096
        private val KEYS = setOf(
            "height", "width", "resize", "crop_fraction", "color_order", "range", "mean", "std", "schema_version",
        )

        /**
         * Reads `image_spec.json`.
         *
         * @throws DemoException NEWER_MODEL for a newer schema, BAD_METADATA for anything else that is not expected.
         */
        fun fromJson(text: String): ImageSpec {
            try {
                val json = Strict.json(text)
                if ((json.opt("schema_version") as? Int ?: 0) > SCHEMA_VERSION) throw DemoException(Problem.NEWER_MODEL)
                require(json.keys().asSequence().toSet() == KEYS)
                require(json.get("schema_version") == SCHEMA_VERSION)
                val spec = ImageSpec(
                    json.get("height") as Int,
                    json.get("width") as Int,
                    Filter.entries.single { it.jsonName == json.get("resize") },
                    Strict.finite(json.opt("crop_fraction")),
                    ColorOrder.entries.single { it.name == json.get("color_order") },
                    numbers(json, "range", 2),
                    numbers(json, "mean", 3),
                    numbers(json, "std", 3),
                )
                require(spec.height in 1..LARGEST_SIDE && spec.width in 1..LARGEST_SIDE)
                require(spec.cropFraction > 0 && spec.cropFraction <= 1)
                require(spec.range[0] < spec.range[1] && spec.std.all { it > 0 })
                return spec
            } catch (error: JSONException) {
                throw DemoException(Problem.BAD_METADATA, error)
            } catch (error: RuntimeException) { // a value of the wrong type, or outside its limits
                throw DemoException(Problem.BAD_METADATA, error)
            }
        }

        private fun numbers(json: JSONObject, key: String, count: Int): List<Double> {
            val array = json.getJSONArray(key)
            require(array.length() == count)
            return List(count) { Strict.finite(array.opt(it)) }
        }
    }
}
