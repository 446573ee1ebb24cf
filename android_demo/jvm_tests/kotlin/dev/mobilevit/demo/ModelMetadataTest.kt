package dev.mobilevit.demo

import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.ModelMetadata
import dev.mobilevit.demo.core.Problem
import java.util.Random
import java.util.zip.ZipEntry
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class ModelMetadataTest {
    @Test
    fun theShippedModelSaysEverythingTheAppShows() {
        val metadata = ModelMetadata.read(ModelFiles.direct(ModelFiles.shipped))
        val info = JSONObject(ModelFiles.parts.getValue("model_info.json").decodeToString())
        assertEquals(ModelFiles.labels, metadata.labels)
        assertEquals(info.getString("name"), metadata.name)
        assertEquals(info.getDouble("unsure_below"), metadata.unsureBelow, 0.0)
        assertEquals(info.getString("license"), metadata.license)
        val spec = JSONObject(ModelFiles.parts.getValue("image_spec.json").decodeToString())
        assertEquals(spec.getInt("height"), metadata.spec.height)
        assertEquals(spec.getDouble("crop_fraction"), metadata.spec.cropFraction, 0.0)
    }

    @Test
    fun anArchiveWhoseOffsetsCountFromItsOwnStartIsReadToo() {
        val metadata = ModelMetadata.read(ModelFiles.direct(ModelFiles.withParts(ModelFiles.parts)))
        assertEquals(ModelFiles.labels, metadata.labels)
    }

    @Test
    fun whatIsNoModelIsSaidToBeNone() {
        val foreign = Golden.photo("grey.jpg").readBytes()
        for (bytes in listOf(ByteArray(0), "TFL3".toByteArray(), ByteArray(1000), foreign)) {
            assertEquals(Problem.NOT_A_MODEL, problemOf(bytes))
        }
    }

    @Test
    fun aModelWithoutItsFilesIsSaidToLackThem() {
        assertEquals(Problem.NO_METADATA, problemOf(ModelFiles.shipped.copyOf(ModelFiles.shipped.size / 2)))
        assertEquals(Problem.NO_METADATA, problemOf(ModelFiles.withParts(ModelFiles.parts - "image_spec.json")))
        assertEquals(Problem.NO_METADATA, problemOf(ModelFiles.withParts(ModelFiles.parts - "labels.txt")))
    }

    @Test
    fun newerSchemasAreRefusedAsNewer() {
        assertEquals(Problem.NEWER_MODEL, problemOf(ModelFiles.withJson("image_spec.json", "schema_version" to 9)))
        assertEquals(Problem.NEWER_MODEL, problemOf(ModelFiles.withJson("model_info.json", "schema_version" to 9)))
    }

    @Test
    fun damagedFilesInTheArchiveAreRefused() {
        val nonsense = ModelFiles.parts + ("model_info.json" to "nonsense".toByteArray())
        assertEquals(Problem.BAD_METADATA, problemOf(ModelFiles.withParts(nonsense)))
        assertEquals(Problem.BAD_METADATA, problemOf(ModelFiles.withParts(ModelFiles.parts, ZipEntry.DEFLATED)))
        val flipped = ModelFiles.withParts(ModelFiles.parts)
        val label = String(flipped, Charsets.ISO_8859_1).lastIndexOf(ModelFiles.labels.first() + "\n")
        flipped[label] = '#'.code.toByte()
        assertEquals(Problem.BAD_METADATA, problemOf(flipped))
    }

    @Test
    fun aHostileDescriptionIsRefused() {
        val info = ModelFiles.parts.getValue("model_info.json").decodeToString()
        fun withInfo(text: String) = ModelFiles.withParts(ModelFiles.parts + ("model_info.json" to text.toByteArray()))
        fun withLabels(bytes: ByteArray) = ModelFiles.withParts(ModelFiles.parts + ("labels.txt" to bytes))
        val name = Regex("\"name\": *\"[^\"]*\"")
        val threshold = Regex("\"unsure_below\": *[0-9.]+")
        assertTrue(name in info && threshold in info)
        val hostile = mapOf(
            "half a surrogate pair" to withInfo(info.replace(name, Regex.escapeReplacement("\"name\": \"\\ud800x\""))),
            "a long name" to ModelFiles.withJson("model_info.json", "name" to "x".repeat(900_000)),
            "a name of two lines" to ModelFiles.withJson("model_info.json", "name" to "a\nb"),
            "an empty name" to ModelFiles.withJson("model_info.json", "name" to " "),
            "a number as name" to ModelFiles.withJson("model_info.json", "name" to 7),
            "NaN as text" to ModelFiles.withJson("model_info.json", "unsure_below" to "NaN"),
            "NaN" to withInfo(info.replace(threshold, "\"unsure_below\": NaN")),
            "too many digits" to withInfo(info.replace(threshold, "\"unsure_below\": " + "9".repeat(400))),
            "no object" to withInfo("[]"),
            "a deep nest" to withInfo("{\"a\":" + "[".repeat(500_000)),
            "bytes that are no UTF-8" to withLabels(byteArrayOf(0x61, 0xFF.toByte(), 0x0a)),
            "the same label twice" to withLabels("a\na\n".toByteArray()),
            "an empty label" to withLabels("a\n\nb\n".toByteArray()),
            "no label" to withLabels(ByteArray(0)),
            "a deep nest of the spec" to
                ModelFiles.withParts(ModelFiles.parts + ("image_spec.json" to "[".repeat(900_000).toByteArray())),
        )
        for ((what, bytes) in hostile) assertEquals(what, Problem.BAD_METADATA, problemOf(bytes))
    }

    @Test
    fun noRandomDamageOfTheArchiveThrowsAnythingElse() {
        val random = Random(5)
        val bytes = ModelFiles.withParts(ModelFiles.parts)
        val tail = 2000
        repeat(3000) {
            val damaged = bytes.copyOf()
            repeat(1 + random.nextInt(6)) { damaged[bytes.size - 1 - random.nextInt(tail)] = random.nextInt().toByte() }
            try {
                ModelMetadata.read(ModelFiles.direct(damaged))
            } catch (_: DemoException) { // the one kind of exception that becomes a sentence
            }
        }
    }

    private fun problemOf(bytes: ByteArray): Problem =
        assertThrows(DemoException::class.java) { ModelMetadata.read(ModelFiles.direct(bytes)) }.problem
}
