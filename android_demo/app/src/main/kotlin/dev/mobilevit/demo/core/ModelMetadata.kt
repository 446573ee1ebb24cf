package dev.mobilevit.demo.core

import java.nio.ByteBuffer
import org.json.JSONException

/**
 * What a model file says of itself; the only source of everything the app knows about a model.
 *
 * @property labels class names in the order of the output.
 * @property name shown to people.
 * @property unsureBelow top score below which the answer is "unsure", in [0, 1].
 * @property license of the weights.
 * @property noneOfThese below [unsureBelow] the photo shows none of the classes; older files do not say so.
 */
class ModelMetadata(
    val labels: List<String>,
    val spec: ImageSpec,
    val name: String,
    val unsureBelow: Double,
    val license: String,
    val noneOfThese: Boolean,
) {
    companion object {
        const val LABELS_FILE = "labels.txt"
        const val SPEC_FILE = "image_spec.json"
        const val INFO_FILE = "model_info.json"

        /** The schema of [INFO_FILE] that this reader knows; a newer one is refused. */
        const val INFO_SCHEMA_VERSION = 1
        private const val LONGEST_NAME = 200 // characters
        private const val LONGEST_LICENSE = 2000
        private val MAGIC = "TFL3".toByteArray()
        private const val MAGIC_OFFSET = 4

        /**
         * Reads labels, ImageSpec and model info from a .tflite's bytes. Nothing of the model itself is run.
         *
         * @throws DemoException NOT_A_MODEL, NO_METADATA, BAD_METADATA or NEWER_MODEL.
         */
        fun read(model: ByteBuffer): ModelMetadata {
            val isModel = model.limit() >= MAGIC_OFFSET + MAGIC.size &&
                MAGIC.indices.all { model.get(MAGIC_OFFSET + it) == MAGIC[it] }
            if (!isModel) throw DemoException(Problem.NOT_A_MODEL)
            val files = ModelArchive.read(model)
            val (labels, spec, info) = listOf(LABELS_FILE, SPEC_FILE, INFO_FILE).map { name ->
                files[name] ?: throw DemoException(Problem.NO_METADATA)
            }
            try {
                val json = Strict.json(Strict.utf8(info))
                val version = Strict.finite(json.opt("schema_version"))
                if (version > INFO_SCHEMA_VERSION) throw DemoException(Problem.NEWER_MODEL)
                return ModelMetadata(
                    readLabels(Strict.utf8(labels)),
                    ImageSpec.fromJson(Strict.utf8(spec)),
                    Strict.line(json.opt("name"), LONGEST_NAME),
                    Strict.finite(json.opt("unsure_below")),
                    Strict.line(json.opt("license"), LONGEST_LICENSE),
                    if (json.has("none_of_these")) json.getBoolean("none_of_these") else false,
                )
            } catch (error: JSONException) {
                throw DemoException(Problem.BAD_METADATA, error)
            } catch (error: IllegalArgumentException) {
                throw DemoException(Problem.BAD_METADATA, error)
            }
        }

        private fun readLabels(text: String): List<String> {
            val labels = text.removeSuffix("\n").split("\n").map { Strict.line(it.removeSuffix("\r"), LONGEST_NAME) }
            require(labels.toSet().size == labels.size)
            return labels
        }
    }
}
