package dev.mobilevit.demo

import dev.mobilevit.demo.core.Classifier
import java.util.Locale
import kotlin.math.abs
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** The whole way from a photo's bytes to the answer, with the app's code and the APK's runtime, against Python's. */
@RunWith(DemoRunner::class)
@Config(sdk = [34])
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class ScoresTest {
    @Test
    fun everySamplePhotoGetsPythonsAnswer() {
        val expected = Golden.scores
        assertEquals(expected.getString("model_sha256"), Golden.sha256(ModelFiles.shipped))
        Classifier(ModelFiles.direct(ModelFiles.shipped)).use { classifier ->
            for (photo in Golden.objects(expected.getJSONArray("photos"))) {
                val name = photo.getString("file")
                val input = classifier.metadata.spec.modelInput(PhotoDecoder.decode(Golden.samples.resolve(name)))
                assertEquals(name, photo.getString("input_sha256"), Golden.sha256(input))
                val scores = classifier.run(input).values
                val best = classifier.metadata.labels[scores.indices.maxBy { scores[it] }]
                assertEquals(name, photo.getString("top1"), best)
                val difference = scores.indices.maxOf { abs(scores[it] - photo.getJSONArray("scores").getDouble(it)) }
                println(String.format(Locale.ROOT, "%s: %s, scores within %.4f of Python's", name, best, difference))
                assertTrue("$name: $difference", difference <= TOLERANCE)
            }
        }
    }

    private companion object {
        /** Of a score in [0, 1]. The runtimes are of different versions; measured: below 0.0001. */
        const val TOLERANCE = 0.001
    }
}
