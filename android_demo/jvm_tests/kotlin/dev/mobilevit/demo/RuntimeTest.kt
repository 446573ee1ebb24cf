package dev.mobilevit.demo

import dev.mobilevit.demo.core.Benchmark
import dev.mobilevit.demo.core.Classifier
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.Problem
import dev.mobilevit.demo.core.Setting
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** The runtime of the APK, in its build for this machine, on the shipped model. */
class RuntimeTest {
    @Test
    fun oneAndTwoThreadsGiveTheSameBits() {
        val single = Classifier(ModelFiles.direct(ModelFiles.shipped), threads = 1)
        val double = Classifier(ModelFiles.direct(ModelFiles.shipped), threads = 2)
        repeat(5) { seed ->
            val pixels = pixels(single, seed)
            assertArrayEquals(single.run(pixels).values, double.run(pixels).values, 0f)
        }
        single.close()
        double.close()
    }

    @Test
    fun xnnpackTakesTheShippedFileInOnePieceBesideTheQuantizeOfThePixels() {
        Classifier(ModelFiles.direct(ModelFiles.shipped)).use { assertEquals(2, it.steps) }
        Classifier(ModelFiles.direct(ModelFiles.shipped), xnnpack = false).use { assertTrue(it.steps > 100) }
    }

    @Test
    fun aClosedModelAndAWrongNumberOfPixelsAreErrors() {
        val model = Classifier(ModelFiles.direct(ModelFiles.shipped))
        assertThrows(IllegalArgumentException::class.java) { model.run(ByteArray(5)) }
        val pixels = pixels(model, 1)
        model.close()
        model.close()
        assertThrows(IllegalStateException::class.java) { model.run(pixels) }
    }

    @Test
    fun scoresAreProbabilitiesAndTheTimeIsMeasured() {
        Classifier(ModelFiles.direct(ModelFiles.shipped)).use {
            val scores = it.run(pixels(it, 1))
            assertEquals(ModelFiles.labels.size, scores.values.size)
            assertEquals(1f, scores.values.sum(), 0.02f)
            assertTrue(scores.values.all { value -> value in 0f..1f })
            assertTrue(scores.milliseconds > 0)
        }
    }

    @Test
    fun aFloatInputIsNormalizedAndAUint8OutputDequantizedAsInPython() {
        val folder = Golden.folder.resolve("models")
        val golden = JSONObject(folder.resolve("scores.json").readText())
        for ((name, tolerance) in mapOf("float_input" to 0.001, "uint8_output" to 1.5 / 256)) {
            Classifier(FileMapping.map(folder.resolve("$name.tflite"))).use { model ->
                val pictures = golden.getJSONArray("pictures")
                for (index in 0 until pictures.length()) {
                    val (width, height) = List(2) { pictures.getJSONArray(index).getInt(it) }
                    val picture = Golden.synthetic(width, height, pictures.getJSONArray(index).getString(2))
                    val scores = model.run(model.metadata.spec.modelInput(picture)).values
                    val expected = golden.getJSONObject("scores").getJSONArray(name).getJSONArray(index)
                    for (at in scores.indices) assertEquals(name, expected.getDouble(at), scores[at] + 0.0, tolerance)
                }
            }
        }
    }

    @Test
    fun theBenchmarkTimesASettingAndStopsWhenAsked() {
        val timing = Benchmark.time(ModelFiles.direct(ModelFiles.shipped), Setting(1, true)) { true }!!
        assertTrue(timing.median > 0 && timing.percentile95 >= timing.median)
        var runs = 0
        assertNull(Benchmark.time(ModelFiles.direct(ModelFiles.shipped), Setting(2, false)) { ++runs < 5 })
        assertEquals(5, runs)
    }

    @Test
    fun aTruncatedFlatbufferIsADamagedModel() {
        val archive = ModelFiles.withParts(ModelFiles.parts)
        val metadata = archive.copyOfRange(zipStart(archive), archive.size)
        for (share in listOf(0.01, 0.3, 0.6, 0.9)) {
            val cut = archive.copyOf((zipStart(archive) * share).toInt()) + metadata
            assertEquals("$share", Problem.DAMAGED_MODEL, problemOf(cut))
        }
    }

    @Test
    fun aModelThatDoesNotFitItsOwnDescriptionIsRefused() {
        val labels = ModelFiles.parts + ("labels.txt" to "one\ntwo\n".toByteArray())
        assertEquals(Problem.MODEL_MISMATCH, problemOf(ModelFiles.withParts(labels)))
        assertEquals(Problem.MODEL_MISMATCH, problemOf(ModelFiles.withJson("image_spec.json", "height" to 31)))
    }

    private fun pixels(classifier: Classifier, seed: Int): ByteArray {
        val spec = classifier.metadata.spec
        return Golden.rgb(Golden.synthetic(spec.width, spec.height, if (seed % 2 == 0) "ramp" else "noise"))
            .map { (it + seed).toByte() }.toByteArray()
    }

    private fun zipStart(bytes: ByteArray): Int = String(bytes, Charsets.ISO_8859_1).indexOf("PK\u0003\u0004")

    private fun problemOf(bytes: ByteArray): Problem =
        assertThrows(DemoException::class.java) { Classifier(ModelFiles.direct(bytes)) }.problem
}
